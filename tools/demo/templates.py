"""Sentences with holes: {UPPER} is a number expression, {lower} a word, (a|b|) a choice.

The sentences of held_out.py are written in the same way and never trained on.
"""

TRAIN = {
    "cardinal": """
There (are|were|will be) (about|over|almost|exactly|only|at least|) {CARDINAL} {things} in the {place}.
The {place} has {CARDINAL} {adj} {things}(, but nobody {ved} them|).
We (sold|bought|counted|lost|found|made) {CARDINAL} {things} (last|this) (week|month|year|summer).
{Name} (has|owns|wants|needs) {CARDINAL} {things} and {CARDINAL} {things}.
(My|His|Her|Our) {person} is {CARDINAL} years old.
It took (us|them|me|{Name}) {CARDINAL} (seconds|minutes|hours|days|weeks|months|years) to {verb} the {thing}.
More than {CARDINAL} {things} (were|have been) {ved} in {City} (since|after|before) the {event}.
Please {verb} {CARDINAL} {things} (before|after) the {event}.
(From {CARDINAL} to {CARDINAL}|Between {BETWEEN}) {things} (were|are) {ved} every (day|night|year).
The {event} lasted {CARDINAL} (days|hours|minutes|weeks).
About {CARDINAL} people live in {City}.
I have {ved} {CARDINAL} {things} (so far|already|in my life|).
(Chapter|Page|Question|Step|Level|Bus|Gate|Exercise|Problem|Track) {CARDINAL} is {adv} {adj}.
(Turn|Open|Go|Skip|Refer) to (page|chapter|section|slide) {CARDINAL}.
We need {CARDINAL} more {things} for the {event}.
The {team} won {CARDINAL} to {CARDINAL}.
All {CARDINAL} {things} {ved} the {adj} {thing}.
Out of {CARDINAL} {things}, (only|just) {CARDINAL} {ved} the {thing}.
The number of {things} (rose|fell|grew|dropped) (to|from|by) {CARDINAL}.
(I think|They say|{Name} said) that {CARDINAL} (people|guests|students|workers|fans) will come.
{CARDINAL} {things} are enough for (now|us|today|{Name}).
{CARDINAL} (people|passengers|workers|children) were (hurt|rescued|invited|arrested) in {City}.
The {thing} has {CARDINAL} (pages|floors|rooms|seats|buttons|parts|followers|views|members).
They (walked|waited|worked|talked) for {CARDINAL} (minutes|hours|days).
He {ved} {CARDINAL} out of {CARDINAL} {things}.
If you {verb} {CARDINAL} {things}, you get {CARDINAL} free.
{Name} has been (married|working here|learning {Country}'s language|away) for {CARDINAL} (years|months|days).
""",
    "ordinal": """
(This|That|It) is (the|my|our|your|his) {ORDINAL} {thing} (today|this week|this year|).
{Name} (ended up|came|was|placed) {ORDINAL} in the (race|contest|{event}).
We (celebrated|missed|forgot|planned) (our|their|his|her) {ORDINAL} (birthday|anniversary|wedding anniversary).
You will find the (office|restaurant|{place}) on the {ORDINAL} floor.
The {ORDINAL} (chapter|episode|edition|amendment|issue|page) is (about|on) {things}.
(He|She|{Name}) was the {ORDINAL} (president|person|mayor|member|visitor) of {Country}.
It happened in the {ORDINAL} century.
The {ORDINAL} {thing} was {adj} and the {ORDINAL} was {adj}.
(Turn|Make a) (left|right) (onto|at|on) {ORDINAL} (street|avenue).
The {event} takes place on the {ORDINAL} of (every|each|this) month.
For the {ORDINAL} time, I did not {verb} the {thing}.
{Name} is in {ORDINAL} place after the {ORDINAL} (round|lap|game|stage).
On the {ORDINAL} day we {ved} the {place}.
{City} is the {ORDINAL} largest city in {Country}.
They (lost|won|played) (their|the) {ORDINAL} game against {Name}.
The {ORDINAL} and {ORDINAL} {things} were {ved}.
Every {ORDINAL} {thing} gets a {adj} {thing}.
The class of {person} is in the {ORDINAL} grade.
""",
    "date": """
(The|Our|Your|Their) {event} (is|was|will be) (on|) {DATE}.
{Name} was born (on|) {DATE} in {City}.
(Please|Can you|Could you) (schedule|cancel|postpone) the {event} (for|to|on) {DATE}.
The {thing} (arrives|opens|closes|expires|starts|ends|is due) (on|) {DATE}.
(On|Since|After|Before|Until|By) {DATE}, the {things} {ved} the {place}.
We {ved} the {thing} on {DATE} and {verb} it again on {DATE}.
I have (a meeting|an exam|a flight|a party) on {DATE}.
From {DATE} (to|until|through) {DATE} the {place} is closed.
(His|Her|My) (anniversary|last day) is {DATE}.
The (deadline|date|due date|release|election) is {DATE}.
They got (married|divorced|engaged) on {DATE}.
{DATE} is a (holiday|{adj} day|bad day for the {event}).
(Remind me|Tell {Name}) on {DATE} to {verb} the {thing}.
The (law|bill|{thing}) was (passed|{ved}) on {DATE}.
No later than {DATE}, please.
Is {DATE} (okay|fine|too late) for (you|your {person})?
In {DATE} a {adj} {thing} was {ved} in {City}.
The {DATE} {event} was {adj}.
""",
    "year": """
(In|Since|Before|After|By|Until) {YEAR}, {Name} {ved} the {thing}.
{City} was (founded|built|destroyed|rebuilt) in {YEAR}.
(My|Our|Her) {person} (was born|died|got married|moved to {City}) in {YEAR}.
The {thing} was (invented|discovered|built|designed|published) (in|around|back in) {YEAR}.
The {YEAR} {event} was (held|cancelled|won) in {Country}.
From {YEAR} (to|until) {YEAR} (he|she|{Name}) lived in {City}.
Between {YEAR} and {YEAR} the {place} was closed.
The (war|crisis|project|{event}) (began|ended|started) in {YEAR}.
It was the {adj} summer of {YEAR}.
In the {DECADE}, {things} were {adv} {adj}.
Music from the {DECADE} is {adj}.
(He|She|My {person}) (is|was|must be) in (his|her|the) (early|late|mid|) {AGE}.
A {adj} {thing} from {YEAR} was {ved}.
{Company} opened an office in {City} in {YEAR}.
The year {YEAR} was {adj} for {Country}.
I have known {Name} since {YEAR}.
By {YEAR}, most {things} will be {adj}.
They won the (cup|title|election|{event}) in {YEAR} and {YEAR}.
The law of {YEAR} says that {things} are {adj}.
""",
    "time": """
(The|Our|Your) {event} (starts|begins|ends|is) at {TIME}.
(Call me|See you|Pick me up) at {TIME}(, please|).
The (train|bus|plane|flight|ferry) to {City} (leaves|departs|arrives) at {TIME}.
(I|We|They) (woke up|left|arrived|went to bed|had lunch) (at|around|before|after) {TIME}.
The {place} is open from {TIME} (to|until|till) {TIME}.
(Set|Cancel) (an|the|my) alarm for {TIME}.
It is (already|almost|just|not even) {TIME}.
(Can|Could) we {verb} the {thing} (at|before|after|by) {TIME}?
(Until|By|Before|After) {TIME}, all {things} must be {ved}.
(I|We|{Name}) {ved} the {thing} at {TIME} (this|yesterday|tomorrow|{day}) (morning|afternoon|evening|night).
(This|Tomorrow|Yesterday|{day}) (morning|afternoon|evening) at {TIME} the {things} {ved} the {place}.
The {TIME} (train|show|flight|class|meeting) was (late|cancelled|full).
Let's {verb} the {thing} at {TIME} (tomorrow|today|tonight|on {day}).
(I'll|We'll) be (there|home|back|ready) (by|at|around) {TIME}.
Between {TIME} and {TIME} nobody {ved} the phone.
{Name} has a {event} at {TIME} and another one at {TIME}.
What about {TIME} (on {day}|tomorrow|instead)?
At {TIME}, the {things} {ved} the {place}.
(Dinner|Lunch|Breakfast|Practice|School) is at {TIME}.
""",
    "money": """
(The|This|That|My) {thing} (costs|cost) (about|only|almost|exactly|) {MONEY}.
(I|We|He|She|{Name}) (paid|spent|earned|lost|won|owes me|saved) {MONEY} (for|on) the {thing}.
The (rent|bill|total|price|fee|fine|budget|salary) is {MONEY} (a month|per year|this time|).
(Can|Could) you (lend|give|send) me {MONEY}?
The city set aside {MONEY} to {verb} the {place}.
{things} are {MONEY} each.
(Tickets|Drinks|Tomatoes|{things}) (cost|are) {MONEY} (per {thing}|each|today).
{Company} was sold (for|at) {MONEY}.
{Company} (made|lost|invested) {MONEY} in {Country}.
I only have {MONEY} (left|in my pocket|on me).
The {thing} is worth {MONEY} (today|now|in {Country}).
Is {MONEY} (enough|too much|a fair price) for (a|this) {thing}?
The price (rose|fell|went) from {MONEY} to {MONEY}.
{MONEY} for a {thing} is {adv} {adj}.
(He|She) found {a} {MONEY_ADJECTIVE} (bill|note|coin|check) on the street.
{Name} got {a} {MONEY_ADJECTIVE} (discount|fine|bonus|loan|gift card|contract).
You owe {Name} {MONEY} and me {MONEY}.
Transfer {MONEY} to (my|{Name}'s) account.
They offered {MONEY} but we wanted {MONEY}.
The damage is estimated at {MONEY}.
""",
    "percent": """
(About|Only|Almost|Nearly|Over|) {PERCENT} of (the|all|our) {things} (are|were) {adj}.
(Sales|Prices|Profits|Exports|Costs|Rents) (rose|fell|grew|dropped) (by|) {PERCENT} (last|this) (year|month|quarter).
The (battery|tank|project|download) is (at|) {PERCENT}.
There is {a} {PERCENT} (chance|risk) of (rain|snow|{adj} weather).
(Get|Take) {PERCENT} off (all|any) {things}.
The interest rate is {PERCENT}.
Inflation (went|rose|fell) from {PERCENT} to {PERCENT}.
I am {PERCENT} sure that {Name} {ved} the {thing}.
{Name} got {PERCENT} of the votes and {Name} got {PERCENT}.
(Unemployment|Turnout|Growth|Humidity) (is|was|stands at|reached) {PERCENT} in {Country}.
{PERCENT} is (not enough|too much|{adj}).
Add {PERCENT} (for tax|for service|as a tip).
They own {PERCENT} of {Company}.
The {thing} is {PERCENT} (cotton|water|faster|cheaper|smaller|recycled).
A discount of {PERCENT} on every {thing}.
Shares of {Company} (jumped|lost|gained) {PERCENT} on {day}.
""",
    "decimal": """
The (average|score|rating|index|ratio|result|value) (is|was) {DECIMAL}.
(Set|Change) the (value|rate|weight|threshold|temperature|dose) to {DECIMAL}.
The (earthquake|quake) had a magnitude of {DECIMAL}.
(Multiply|Divide) (it|the result) by {DECIMAL}.
{Name} has a grade point average of {DECIMAL}.
The {thing} got {DECIMAL} (stars|points).
We measured {DECIMAL} and {DECIMAL}.
It is {DECIMAL} times (faster|bigger|more expensive) than the old {thing}.
(Version|Release) {DECIMAL} of the {thing} is {adj}.
The ph (value|level) (rose|fell) (to|from) {DECIMAL}.
On average {DECIMAL} {things} per {thing} were {ved}.
The (time|gap|difference) was {DECIMAL} seconds.
The number {DECIMAL} is {adv} {adj}.
The exchange rate is {DECIMAL} (now|today|).
Her score of {DECIMAL} (won|was a record|surprised everyone).
""",
    "fraction": """
(About|Almost|Nearly|Over|) {FRACTION} of (the|our|all) {things} (are|were|was) {adj}.
(Use|Take|Drink) {FRACTION} of (a|the) (glass|spoon|bottle|bag) of (salt|milk|flour|oil|rice).
{FRACTION} of the {place} was {ved}.
(He|She|{Name}) (ate|lost|sold|finished|read) {FRACTION} of the {thing}.
The {event} (took|lasted) {MIXED} hours.
It takes {MIXED} (hours|days|weeks|months|years) to {verb} a {thing}.
We need {MIXED} (cups|spoons|bottles|bags) of (sugar|milk|flour|oil|rice).
The {thing} is {MIXED} times (bigger|smaller|older) than (the other one|mine).
(Less|More) than {FRACTION} of the {things} {ved} it.
My (son|daughter|baby) is {MIXED} (years|months) old.
Only {FRACTION} of {Country} is {adj}.
They waited (for|) {MIXED} (minutes|hours|weeks).
We are {FRACTION} of the way (there|to {City}|through).
{FRACTION} of (it|them|us|the money|the time) is not enough.
The tank is {FRACTION} full.
He walked {FRACTION} of a mile.
""",
    "measure": """
The {thing} (is|was) {LENGTH} (long|wide|high|tall|deep).
(I|We|{Name}) (walked|swam|drove|cycled|jogged) {LENGTH} (today|yesterday|on {day}).
The {place} is (about|only|almost|) {LENGTH} (away|from here|from the {place}|outside {City}).
The {thing} weighs {WEIGHT}.
(He|She|My {person}) (lost|gained) {WEIGHT} (in a month|last year|).
(Add|Mix|Use) {WEIGHT} of (flour|sugar|butter|rice|salt).
(Buy|We ate|I picked|Order|Get) {WEIGHT} of {things}.
The (baby|dog|bag|box) (is|was) {WEIGHT} (at birth|now|too heavy).
(Pour|Drink|Boil|Add) {VOLUME} of (water|milk|oil|juice).
The tank holds {VOLUME}.
The (house|garden|office|farm|park) has {AREA}.
The fire destroyed {AREA} of (forest|land).
(He|She|The car) was driving (at|) {SPEED}.
The wind (reached|blew at) {SPEED}.
(It|The water) (is|was|will be) {TEMPERATURE} (outside|in {City}|tomorrow|today).
The temperature (rose|fell|dropped) to {TEMPERATURE}.
Heat the oven to {TEMPERATURE}.
The (computer|phone|laptop|file|server) has {TECHNICAL} (of memory|of storage|).
The {thing} needs {TECHNICAL}.
(That|This|The) {MEASURE_ADJECTIVE} (run|fence|box|bag|pipe|tank|cable) is {adj}.
(He|She|{Name}) is {HEIGHT} (tall|).
The (bridge|tunnel|river) is {LENGTH} long and {LENGTH} (wide|deep).
(We need|They ordered|I bought) {MEASURE} and {MEASURE}.
The box is {LENGTH} by {LENGTH}.
From {LENGTH} to {LENGTH} (is|was) {adj}.
""",
    "phone": """
(Call|Text|Phone) (me|us|{Name}) (at|on) {PHONE}.
(My|His|Her|Our|The) (number|phone number|cell|fax number|office number) is {PHONE}.
You can reach {Name} (at|on|under) {PHONE}.
(Dial|Try) {PHONE} for {things}.
For (help|information|support) call {PHONE}(, any time|).
The (code|pin|password|access code|order number|zip code|case number) is {CODE}.
(Enter|Type|Press|Use) {CODE} to {verb} the {thing}.
(Flight|Room|Highway|Route|Bus|Train|Apartment|Locker) {LABEL} is {adj}.
(Take|Follow) (highway|route|bus) {LABEL} to {City}.
We are (in|staying in|meeting in) room {LABEL}.
(I|We|They) live at {LABEL} {street} (in {City}|).
(Send|Deliver) the {thing} to {LABEL} {street}.
{Name}'s new number is {PHONE}, not {PHONE}.
The (serial|tracking|account|reference) number (is|ends in) {CODE}.
Flight {LABEL} from {City} (is delayed|has landed|was cancelled).
Is {PHONE} still your number?
(Contact|Ask for) extension {CODE}.
The last digits are {CODE}.
""",
    "nothing": """
(I|You|We|They) (may|might|should|must) {verb} the {adj} {thing}.
{Name} and {Name} {ved} the {things} in {City}.
(Wait|Give me|Just) a second(, please|), I need to {verb} the {thing}.
One of (the|my|our) {things} is {adj}, the other one is {adj}.
No one (has|had) {ved} the {thing} (before|yet|again).
They march (through|past|to) the {place} every {day}.
The (first|second|third|last) {thing} was {adj}.
I have {small} {things} and {small} {adj} {things}.
(Half|Some|Most|None|One) of the {things} were {adj}.
At this point the {things} {ved} each other.
(Oh|Well|So), that is a {adj} {thing}.
What is the point of a {adj} {thing}?
(Millions|Thousands|Hundreds|Dozens) of {things} were {ved} in {Country}.
The {place} is (past|next to|behind|opposite) the {place}.
(On|Next|Last|Every) {day} we {verb} the {place} with {Name}.
In (the|a) {adj} {place}, {things} {verb} {adj} {things}.
{Name} may be {adj}, but (I|we) still {verb} (him|her).
(She|He) said that the {thing} is {adv} {adj}.
A quarter is not a {adj} {thing}.
Give me {small} or {small} more (minutes|days|hours|weeks).
He ate half a (sandwich|cake|pizza) and a couple of {things}.
Do you {verb} {adj} {things}?
Why did {Name} {verb} the {thing}?
This time next (week|year|month) we will {verb} the {thing}.
It is double the work for {small} {things}.
Both {things} came from {Country} (in {month}|last {month}|).
I would like to {verb} a {adj} {thing}, please.
On the one hand it is {adj}, on the other hand it is {adj}.
(She|He|{Name}) loves {adj} {things} and {adj} {things}.
It may rain in {City} this {month}.
(Lunch|The {event}|Our {event}) (is|starts) at (noon|midnight).
(Half a million|A dozen|Half a dozen|A couple of) {things} were {ved} in half an hour.
To (me|us|{Name}) it makes no difference, one way or the other.
Let's go to the {place} one more time and {verb} {small} {things}.
(Someone|Everyone) in {City} knows the (first|second|third) {thing} is {adj}.
They won the first half, but lost the second.
Percent is a word that {Name} cannot spell, and dollars is another.
That is the only one I (know|want|saw|{ved}).
The quarter finals are in {month} and the final is in {month}.
Oh no, they {ved} the {thing} twice.
Point the {thing} at the {thing} and wait a few seconds.
We had a second {thing}, but no one {ved} it.
{Name} met {small} {adj} {people}, one by one.
(We|They) have to {verb} at least one {thing} a day.
My {person} is a {adj} {person} at the {place}.
{words}.
{words}, {words}.
Good (morning|afternoon|evening|night), (everyone|{Name}|my {adj} {person}).
(I|We|They) {ved} the {thing} (this|yesterday|tomorrow|every|one|last|{day}) (morning|afternoon|evening|night).
(This|Yesterday|Tomorrow|{day}) (morning|afternoon|evening|night) (I|we|{Name}) {ved} the {thing}.
In the (morning|afternoon|evening) we {verb} {things}, (and|but) at night we sleep.
It was a {adj} (morning|afternoon|evening|night) in {City}.
(Another|The next|The last) (hundred|thousand|million) {things} were {ved}.
(A few|Several|Many) (hundred|thousand|million) {things} {ved} the {thing}.
We need another (hundred|thousand) {things}.
It is a (fifty fifty|fifty-fifty) (chance|deal|split|decision).
My feet hurt, so I will not go there on foot.
The {thing} in the yard is miles away from the {place}.
She has a degree in {words}.
The dollar (fell|rose) against the (euro|pound|yen), {words}.
(He|She|{Name}) ordered a {thing} plus a {thing}, minus the {thing}.
The test was (negative|positive) and I am {adj}.
I am {adj} and you are (two|three) (times|points) ahead.
There is a meter for the {thing} and a square for the {things}.
Two of (them|us|the {things}) are {adj}, the rest are not.
It is a (five star|one way|second hand|first class|three course|nine to five) {thing}.
To the point, please: {words}.
An inch of {thing} is better than a mile of {thing}.
Half an hour after midnight the {things} were {adj}.
(In|For) a (minute|second|moment|while), {words}.
First things first, {words}.
The (minutes|hours|seconds|days) (pass|went by) {adv}.
We meet (twice|once) a (day|week|month|year), mostly in the (morning|evening).
""",
    "mixed": """
The {event} is on {DATE} at {TIME} and costs {MONEY}.
On {DATE} at {TIME}, about {CARDINAL} {things} {ved} {LENGTH} in {City}.
In {YEAR} we paid {MONEY} for {CARDINAL} {things}.
{PERCENT} of {CARDINAL} {things} is {CARDINAL}.
Bus {LABEL} to {City} stops at platform {CARDINAL} at {TIME}.
Call {PHONE} before {TIME} on {DATE}.
The {thing} is {LENGTH} long, weighs {WEIGHT} and costs {MONEY}.
The {ORDINAL} {event} (starts|ends) on {DATE} at {TIME}.
(Sales|Prices) rose {PERCENT} to {MONEY} in {YEAR}.
{Name} (is|was) {CARDINAL} and has {ved} {FRACTION} of the {CARDINAL} {things}.
Buy {CARDINAL} {things} for {MONEY} each and pay {PERCENT} less.
It is {TEMPERATURE} at {TIME} with {a} {PERCENT} chance of rain.
We drove {LENGTH} in {MIXED} hours at {SPEED}.
The {AREA} (house|apartment) at {LABEL} {street} was sold for {MONEY} in {YEAR}.
(Room|Locker) {LABEL} is on the {ORDINAL} floor, the code is {CODE}.
{Name} came {ORDINAL} with {DECIMAL} points and won {MONEY}.
Born on {DATE}, {Name} lived in {City} until {YEAR}.
(Tickets|{things}) are {MONEY} for {CARDINAL} {people} until {TIME}.
{FRACTION} of the {things}, or {PERCENT}, {ved} by {DATE}.
From {YEAR} to {YEAR} the number grew {PERCENT} to {CARDINAL}.
""",
}

OPENERS = """
well
so
okay
i think
i guess
you know
by the way
as far as i know
please note that
{Name} said that
my {person} told me that
the {things} say that
according to {Name}
good news
hi {Name}
hey
actually
to be honest
in {City}
remember that
i'm sorry but
the thing is
for your information
{words}
""".strip().split("\n")

TAILS = """
and then we went home
this (morning|afternoon|evening)
last night
(tomorrow|yesterday) (morning|evening|afternoon)
tonight
but my {person} did not like it
because the {thing} was {adj}
if you {verb} the {thing}
when the {things} are {adj}
which is {adv} {adj}
and {Name} was {adj}
but nobody cares
as you know
so please {verb} the {thing}
while {Name} {ved} the {thing}
and the {adj} {things} {ved} it
or so they say
before we {verb} the {place}
thanks to {Name}
and that's it
in front of the {place}
with the {adj} {things} from {City}
{words}
and {words}
""".strip().split("\n")
