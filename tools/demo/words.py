"""The vocabulary of the generated sentences, and made-up words so that the model learns to copy."""

import random

FIRST_NAMES = """
Aaron Abigail Adam Ahmed Aisha Alan Albert Alejandro Alex Alice Amanda Amara Amelia Amir Amy Ana
Andrea Andrew Angela Anita Anna Anton Antonio Arjun Arthur Astrid Barbara Ben Bianca Bill Boris
Brandon Brian Bruno Camila Carla Carlos Caroline Carter Catherine Charles Charlotte Chen Chloe Chris
Clara Claudia Colin Connor Daniel Daniela David Deborah Dennis Diego Dmitri Dominic Donna Dorothy
Edith Edward Elena Eli Elizabeth Ella Emily Emma Eric Erin Esther Ethan Eva Evelyn Fatima Felix
Fiona Frances Francesca Frank Fred Gabriel George Grace Greg Hannah Harold Harry Hassan Heather
Helen Henry Hiroshi Hugo Ian Ibrahim Ingrid Irene Isaac Isabella Ivan Jack Jacob James Jamie Jane
Jasmine Javier Jennifer Jerry Jessica Jin Joan Joe John Jonathan Jordan Jorge Joseph Josh Julia
Julian Karen Karim Kate Katherine Keith Kelly Kenji Kevin Kim Kumar Kyle Lars Laura Lauren Leah
Leila Leo Leonard Liam Lily Linda Lisa Logan Louis Lucas Lucia Lucy Luke Luis Maria Marcus Margaret
Mark Martha Martin Mary Mateo Matthew Maya Mei Melissa Michael Miguel Mohammed Molly Monica Nadia
Naomi Natalie Nathan Neil Nicholas Nicole Nina Noah Nora Oliver Olivia Omar Oscar Pamela Patricia
Patrick Paul Pedro Peter Philip Priya Rachel Rafael Raj Ravi Rebecca Renee Ricardo Richard Rita
Robert Rosa Rose Roy Russell Ruth Ryan Sam Samantha Samuel Sandra Sara Scott Sean Sergei Sharon
Shirley Simon Sofia Sophie Stella Stephen Steve Sue Susan Sven Tanya Teresa Thomas Tim Tina Todd Tom
Tony Tyler Ursula Valerie Vanessa Vera Victor Victoria Vincent Walter Wei Wendy William Yasmin Yuki
Yusuf Zara Zoe José Zoë Renée André François Jürgen Søren
""".split()

SURNAMES = """
Adams Ahmed Allen Anderson Bailey Baker Bell Bennett Brooks Brown Bryant Butler Campbell Carter Chan
Chavez Clark Collins Cook Cooper Cox Cruz Davies Davis Diaz Dubois Edwards Evans Fischer Fisher
Flores Foster Garcia Gomez Gonzalez Graham Gray Green Griffin Gupta Hall Hamilton Hansen Harris
Hayes Henderson Hernandez Hill Hoffman Howard Hughes Ito Ivanov Jackson James Jenkins Jensen Johnson
Jones Kelly Khan Kim King Kowalski Kumar Lee Lewis Lopez Marshall Martin Martinez Mason McCarthy
Miller Mitchell Moore Morgan Morris Müller Murphy Murray Nakamura Nelson Nguyen Novak O'Brien Olsen
Ortiz Owens Park Parker Patel Perez Perry Peterson Phillips Powell Price Ramirez Reed Reyes Reynolds
Richardson Rivera Roberts Robinson Rogers Rossi Russell Sanchez Sanders Sato Schmidt Scott Shah
Simmons Singh Smith Stewart Suzuki Tanaka Taylor Thomas Thompson Torres Turner Walker Wallace Wang
Ward Watson Weber West White Williams Wilson Wong Wood Wright Yamamoto Young Zhang
""".split()

CITIES = """
Aberdeen Adelaide Amsterdam Ankara Athens Atlanta Austin Baltimore Bangkok Barcelona Beijing Belfast
Berlin Bogota Boston Brisbane Bristol Brussels Budapest Buffalo Cairo Calgary Cardiff Chicago
Cleveland Copenhagen Dallas Delhi Denver Detroit Dubai Dublin Edinburgh Florence Frankfurt Geneva
Glasgow Hamburg Hanoi Helsinki Houston Istanbul Jakarta Johannesburg Karachi Kyoto Lagos Lima Lisbon
Liverpool London Lyon Madrid Manchester Marseille Melbourne Memphis Miami Milan Milwaukee
Minneapolis Montreal Moscow Mumbai Munich Nairobi Nashville Oakland Omaha Orlando Osaka Oslo Ottawa
Oxford Paris Perth Philadelphia Phoenix Pittsburgh Portland Prague Richmond Riga Rome Rotterdam
Sacramento Santiago Seattle Seoul Shanghai Singapore Stockholm Sydney Taipei Tampa Tokyo Toronto
Tucson Turin Valencia Vancouver Venice Vienna Warsaw Washington Wellington Zürich
""".split()

COUNTRIES = """
Argentina Australia Austria Belgium Brazil Canada Chile China Colombia Croatia Denmark Egypt England
Finland France Germany Ghana Greece Hungary Iceland India Indonesia Ireland Israel Italy Japan Kenya
Korea Malaysia Mexico Morocco Nepal Nigeria Norway Pakistan Peru Poland Portugal Romania Russia
Scotland Spain Sweden Switzerland Thailand Turkey Ukraine Uruguay Vietnam Wales Zimbabwe
""".split()

# One noun per entry: singular; plural is regular or given after a slash.
NOUNS = """
account agreement animal answer apartment apple army article artist author baby/babies bag ball bank
battery/batteries beach/beaches bear bed bench/benches bicycle bird boat body/bodies book bottle
bowl box/boxes boy bridge brother building bus/buses business/businesses cake camera camp candle
candidate car card case castle cat chair chapter chicken child/children church/churches circle
citizen city/cities class/classes client clock coach/coaches coat coin colleague college column
comment community/communities company/companies complaint computer concert contract cookie
country/countries course cousin cow crew critic customer dancer daughter deal deer/deer delegate
desk device dish/dishes doctor document dog dollhouse door dress/dresses driver drum duck egg
elephant email employee engine engineer error essay exam example exercise expert factory/factories
family/families fan farm farmer file film finger fire firm fish/fish flag flower form friend frog
game garden gift girl glass/glasses goal goat group guest guitar hat hero/heroes home horse hospital
hotel house idea image instructor invoice island item jacket job journalist judge kid kitchen
knife/knives ladder lake lamp language lawyer leader leaf/leaves lesson letter library/libraries
light lion list machine magazine man/men manager map match/matches meal medal member message mistake
model monkey mountain mouse/mice movie museum musician neighbor newspaper nurse office officer onion
opinion orange order package page painter painting panel parent park participant party/parties
passenger patient pen pencil people/people person/people phone photo pianist picture piece pilot
plane planet plant plate player poem poet police/police policy/policies pool potato/potatoes
prisoner prize problem product professor program project proposal protester pupil puzzle rabbit
reader recipe record refugee region report request researcher reservation resident restaurant review
river road rocket room rule runner sailor sample sandwich/sandwiches school scientist screen seat
sensor server shareholder sheep/sheep ship shirt shoe shop sign singer sister ski soldier solution
song spider spoon staff/staff star state station statue stone store story/stories street student
subject supplier survivor swimmer table tank tax/taxes taxi teacher team telescope tent test theater
theory/theories thief/thieves ticket tomato/tomatoes tool tourist tower town toy train trainee
translator tree trip truck trumpet turtle umbrella unit university/universities user valley van
vegetable vehicle video village violin visitor volunteer voter wall warehouse watch/watches wheel
whale window winner witness/witnesses wolf/wolves woman/women word worker writer zebra zoo
""".split()

ADJECTIVES = """
able afraid amazing ancient angry annual available awful bad beautiful big bitter black blue bold
brave bright broken brown busy calm careful cheap clean clear clever cold comfortable common
complete cool crazy curious dangerous dark dear deep delicious different difficult digital dirty dry
early easy eastern electric empty enormous entire excellent exciting expensive fair famous fancy
fast fat final fine flat foreign formal free fresh friendly front full funny general gentle giant
golden good grand great green grey guilty happy hard healthy heavy helpful high holy honest hot huge
hungry ideal important incredible innocent interesting internal large last late lazy legal light
little local lonely long loud lovely low lucky main major massive medical mental minor modern narrow
national natural nervous new nice noisy normal northern obvious odd official old online open
ordinary original perfect personal plain pleasant polite poor popular possible powerful pretty
private proper proud public pure quick quiet random rare raw ready real recent red regular remote
rich rough round royal rural sad safe salty scary serious sharp shiny short shy sick silent silly
silver simple slow small smart smooth social soft solid southern spare special steep strange strict
strong stupid successful sudden sweet tall tasty terrible thick thin tiny tired tough traditional
typical ugly unique unusual urban useful usual valuable violent warm weak weird western wet white
whole wide wild wise wonderful wooden wrong yellow
""".split()

# Base form and past.
VERBS = """
accept/accepted admire/admired advise/advised announce/announced approve/approved arrange/arranged
ask/asked attack/attacked avoid/avoided bake/baked borrow/borrowed bring/brought build/built
buy/bought call/called cancel/cancelled carry/carried catch/caught celebrate/celebrated
change/changed check/checked choose/chose clean/cleaned close/closed collect/collected
compare/compared complete/completed confirm/confirmed consider/considered contact/contacted
cook/cooked copy/copied create/created cut/cut deliver/delivered describe/described design/designed
destroy/destroyed develop/developed discover/discovered discuss/discussed draw/drew drive/drove
drop/dropped edit/edited enjoy/enjoyed examine/examined expect/expected explain/explained
export/exported feed/fed finish/finished fix/fixed follow/followed forget/forgot gather/gathered
give/gave handle/handled hate/hated hear/heard help/helped hide/hid hire/hired ignore/ignored
improve/improved inspect/inspected invent/invented invite/invited join/joined keep/kept kick/kicked
know/knew launch/launched lead/led leave/left like/liked lock/locked lose/lost love/loved
manage/managed measure/measured meet/met mention/mentioned miss/missed move/moved need/needed
notice/noticed offer/offered open/opened order/ordered organize/organized paint/painted pass/passed
photograph/photographed plan/planned praise/praised prepare/prepared present/presented print/printed
produce/produced protect/protected prove/proved publish/published pull/pulled push/pushed
question/questioned reach/reached read/read receive/received recommend/recommended record/recorded
reject/rejected remember/remembered remove/removed rent/rented repair/repaired replace/replaced
report/reported rescue/rescued return/returned review/reviewed save/saved search/searched see/saw
select/selected sell/sold send/sent serve/served share/shared show/showed sign/signed solve/solved
steal/stole stop/stopped study/studied suggest/suggested support/supported take/took taste/tasted
teach/taught test/tested throw/threw touch/touched trade/traded train/trained translate/translated
trust/trusted understand/understood update/updated use/used visit/visited want/wanted warn/warned
wash/washed watch/watched welcome/welcomed win/won wrap/wrapped write/wrote
""".split()

ADVERBS = """
absolutely actually again ago almost already always anyway apparently badly barely basically briefly
carefully certainly clearly completely constantly currently definitely directly easily enough
entirely especially eventually exactly extremely fairly finally frankly frequently fully generally
gladly gradually happily hardly highly honestly hopefully immediately indeed instead just largely
later literally mainly maybe merely mostly naturally nearly never normally obviously occasionally
often only originally partly perfectly perhaps personally possibly practically precisely previously
probably properly quickly quietly quite rarely rather really recently relatively roughly sadly
seldom seriously shortly simply slightly slowly sometimes soon specifically strongly suddenly surely
technically together tonight totally truly typically unfortunately usually very yesterday today
""".split()

# Other running text. Nothing here may be read as part of a number expression.
FILLERS = """
about above according across after against ahead along although among around away because before
behind below beneath beside besides between beyond but by can cannot could despite did do does doing
done don't didn't doesn't isn't wasn't won't can't couldn't wouldn't it's that's there's we're
you're they're we've i've i'm you'll we'll he's she's let's what's during each either else ever
every everyone everything everywhere except few for from further had has have he her here hers
herself him himself his how however i if in inside into is it its itself less like many me might
mine more most much must my myself near neither next no nobody none nor not nothing now nowhere off
on onto or other others ought our ours ourselves out outside own per please quite said same shall
she should since so some somebody somehow someone something such than thanks that the their theirs
them themselves then there these they this those though through throughout thus till too toward
under underneath unless until up upon us was we were what whatever when whenever where wherever
whether which while who whoever whom whose why will with within without would yes yet you your yours
yourself okay well hello sorry air anger art attention beauty behavior belief blood bread butter
cash cheese chemistry clothing coffee confidence courage damage dirt dust education electricity
energy evidence fashion flour freedom fruit fun furniture gas gold gossip grass hair happiness
health heat help history honey hope humor ice information insurance iron jazz juice justice
knowledge labor laughter law leather logic love luck luggage magic mail marketing meat medicine milk
money mud music nature news oil oxygen paper patience peace pepper plastic poetry pollution poverty
power pride progress rain research rice safety salt sand silk sleep smoke snow soap soup sugar
sunshine tea tennis time traffic travel trouble truth violence water wealth weather wine wisdom wood
wool work writing yoga
""".split()

STREETS = """
baker main elm oak maple cedar pine church high mill park river lake hill station market king queen
victoria washington lincoln franklin jefferson chestnut walnut sunset highland bridge garden spring
""".split()

WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = """January February March April May June July August September October November December""".split()

SINGULAR = [n.split("/")[0] for n in NOUNS]
PLURAL = [n.split("/")[1] if "/" in n else n + "s" for n in NOUNS]
BASE = [v.split("/")[0] for v in VERBS]
PAST = [v.split("/")[1] for v in VERBS]

_ONSETS = """b bl br c ch cl cr d dr f fl fr g gl gr h j k kl kr l m n p ph pl pr qu r s sc sh sk sl
sm sn sp st str sw t th tr v w wh x y z""".split()
_ONSETS += [""] * 6
_VOWELS = "a e i o u a e i o u y ai au ea ee ie oa oo ou ei".split()
_CODAS = """b ck d ff g k l ll m n nd ng nk nt p r rd rk rm rn rt s ss st t th tt v x z lt mp
sh""".split()
_CODAS += [""] * 20
_ENDINGS = """ed ing er ers s es ly ness ment tion able ful less ish ist ism ity ous al ia ton ville
berg son ski ez ova""".split() + [""] * 20
_ACCENTS = dict(zip("aeioucn", ["áàâäãå", "éèêë", "íìîï", "óòôöõø", "úùûü", "ç", "ñ"]))


def made_up_word(rng: random.Random) -> str:
    """A pronounceable word that means nothing, seldom with accents or an apostrophe."""
    syllables = rng.choice((1, 1, 2, 2, 2, 3, 3, 4))
    word = "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(syllables)
    )
    word += rng.choice(_ENDINGS)
    if rng.random() < 0.07:
        word = "".join(
            rng.choice(_ACCENTS[c]) if c in _ACCENTS and rng.random() < 0.4 else c
            for c in word
        )
    if rng.random() < 0.02:
        word += "'s"
    return word


def any_word(rng: random.Random) -> str:
    """A word of running text, real or made up, lower case."""
    kind = rng.random()
    if kind < 0.2:
        return made_up_word(rng)
    if kind < 0.5:
        return rng.choice(FILLERS)
    pool = rng.choice((SINGULAR, PLURAL, ADJECTIVES, BASE, PAST, ADVERBS))
    return rng.choice(pool)


def proper_name(rng: random.Random, names: list[str]) -> str:
    """One of `names`, or a made-up one."""
    return rng.choice(names) if rng.random() < 0.8 else made_up_word(rng).capitalize()
