"""Sentences for the test split alone; templates.py says how to read them."""

TEST = {
    "cardinal": """
{Name} baked {CARDINAL} {things} for the neighbors last night.
I still remember those {CARDINAL} {adj} {things} from the {place}.
An audience of {CARDINAL} clapped for {CARDINAL} minutes.
""",
    "ordinal": """
Nobody knew why {Name} skipped the {ORDINAL} lesson.
Welcome to the {ORDINAL} meeting of the {adj} {things}.
The elevator stopped at the {ORDINAL} floor again.
""",
    "date": """
We expect the next {thing} around {DATE}.
My passport was issued on {DATE}, wasn't it?
Doctors told {Name} to come back on {DATE} for the {thing}.
""",
    "year": """
Historians think that the {place} burned down in {YEAR}.
Nothing like that was seen again until {YEAR}.
Back in {YEAR} a {thing} like this was {adj}.
""",
    "time": """
Someone knocked on the door at {TIME} and woke {Name}.
My shift at the {place} finishes at {TIME}.
Could you feed the {things} at {TIME} while I'm gone?
""",
    "money": """
Honestly, {MONEY} sounds like a lot for such a {adj} {thing}.
{Name} put {MONEY} into the box for the {place}.
Her grandmother left them {MONEY} and a {thing}.
""",
    "percent": """
Doctors say {PERCENT} of patients feel better after a week.
With {PERCENT} of the ballots counted, {Name} is ahead.
Our margin shrank by {PERCENT} because of the {event}.
""",
    "decimal": """
The judges gave {Name} {DECIMAL} for the last jump.
A factor of {DECIMAL} explains the {adj} {things}.
The needle stopped at {DECIMAL} on the scale.
""",
    "fraction": """
Roughly {FRACTION} of the audience left before the {event}.
Our flight was delayed by {MIXED} hours because of snow.
{Name} inherited {FRACTION} of the family {thing}.
""",
    "measure": """
The puppy already weighs {WEIGHT} and still eats everything.
Hikers have to climb {LENGTH} before they reach the {place}.
The plumber replaced a pipe that lost {VOLUME} every day.
Yesterday the thermometer showed {TEMPERATURE} in the shade.
""",
    "phone": """
Just write down {PHONE} and give it to {Name}.
If nobody answers, leave a message at {PHONE}.
The guard asked for a badge with the code {CODE}.
""",
    "nothing": """
Nobody in this {place} has seen {Name} or the {things} lately.
My {person} always forgets to {verb} the {things} before the {event}.
If you see {small} {things}, say hello to the one with the {adj} {thing}.
Every evening the {things} march half a mile to the {place}, rain or shine.
Good morning, {Name}, we may need another hundred {things} at the {event}.
""",
    "mixed": """
The landlord wants {MONEY} by {DATE}, which is {PERCENT} more than in {YEAR}.
{Name} landed at {TIME}, drove {LENGTH} and slept for {CARDINAL} hours.
Around {FRACTION} of our {CARDINAL} customers called {PHONE} after {DATE}.
""",
}
