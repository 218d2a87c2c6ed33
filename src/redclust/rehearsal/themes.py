"""The words that the rehearsal Reddit is made of: themes, sentences, names. Data only.

The order of every tuple is part of the world: a change here changes each generated dump.
"""

from __future__ import annotations

from typing import NamedTuple


class Theme(NamedTuple):
    """One interest: stems that subreddits are named by, and the words its people write with."""

    name: str
    stems: tuple[str, ...]
    things: tuple[str, ...]
    qualities: tuple[str, ...]
    acts: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _theme(name: str, stems: str, things: str, qualities: str, acts: str) -> Theme:
    return Theme(name, _words(stems), _words(things), _words(qualities), _words(acts))


THEMES: tuple[Theme, ...] = (
    _theme(
        "Space",
        "Orbit Rocket Nebula Telescope Lunar Comet Astro Stargazing Launchpad Exoplanet Mars Cosmos",
        "launch orbit telescope booster nebula probe crater lander eclipse fairing antenna observatory",
        "orbital lunar reusable interstellar bright dark solar faint",
        "launched tracked photographed simulated docked landed",
    ),
    _theme(
        "Cooking",
        "Sourdough Skillet Dumpling Pasta Ferment Pastry Curry Noodle Barbecue Pickle Ramen Bakehouse",
        "starter skillet broth dough crust garlic recipe oven spice glaze marinade butter",
        "crispy sour smoked tender homemade salty burnt fresh",
        "baked simmered kneaded roasted fermented tasted",
    ),
    _theme(
        "Cycling",
        "Gravel Velo Crankset Peloton Fixie Derailleur Commuter Bikepack Singletrack Saddle Tandem Cadence",
        "crank saddle derailleur climb tyre chain helmet spoke brake pedal frame headwind",
        "steep carbon steel muddy tubeless squeaky light rigid",
        "climbed rode greased trued patched sprinted",
    ),
    _theme(
        "Gardening",
        "Compost Tomato Orchid Bonsai Succulent Allotment Greenhouse Seedling Pruning Mulch Rosebed Herb",
        "soil seedling mulch trellis pot blossom root greenhouse compost bulb slug leaf",
        "leggy ripe perennial overwatered shady tiny hardy organic",
        "planted pruned watered repotted harvested grafted",
    ),
    _theme(
        "Programming",
        "Rustacean Gopher Compiler Refactor Terminal Kernel Regex Backend Segfault Lambda Monorepo Debug",
        "compiler parser thread pointer branch test cache socket function type module stack",
        "async recursive typed slow immutable leaky portable broken",
        "compiled refactored deployed profiled merged debugged",
    ),
    _theme(
        "Music",
        "Synth Vinyl Guitar Jazz Drummer Bassline Choir Modular Ukulele Mixtape Songwriting Turntable",
        "riff pedal record chord drum amp synth melody solo chorus tempo string",
        "analog warm distorted acoustic quiet loud mellow rare",
        "recorded strummed sampled mixed tuned performed",
    ),
    _theme(
        "Gaming",
        "Roguelike Speedrun Dungeon Pixel Loot Tabletop Arcade Cozy Respawn Questlog Bossfight Deckbuild",
        "boss dungeon patch quest build loot controller level raid save guild lobby",
        "legendary nerfed co-op hard pixelated overpowered hidden casual",
        "grinded beat modded farmed unlocked respawned",
    ),
    _theme(
        "Finance",
        "Dividend Index Budget Frugal Portfolio Ticker Pension Ledger Bond Mortgage Option Savings",
        "dividend fund budget loan broker stock yield fee pension invoice bond payroll",
        "cheap leveraged risky taxable diversified overdue steady volatile",
        "bought sold rebalanced saved hedged borrowed",
    ),
    _theme(
        "Fitness",
        "Barbell Kettlebell Deadlift Marathon Calisthenic Yoga Squat Rowing Trailrun Stretching Physique Gym",
        "squat plate set protein tempo mile knee shoulder coach stretch rep warmup",
        "heavy sore slow flexible strict weekly injured strong",
        "lifted ran stretched benched rested trained",
    ),
    _theme(
        "Pets",
        "Tabby Corgi Parrot Gecko Hamster Aquarium Puppy Kitten Ferret Tortoise Beagle Budgie",
        "paw leash tank vet tail whisker treat cage feather nap walk litter",
        "fluffy sleepy grumpy loyal scaly hungry shy playful",
        "adopted groomed fed trained rescued cuddled",
    ),
    _theme(
        "Photography",
        "Darkroom Lens Shutter Polaroid Filmgrain Portrait Macro Rangefinder Streetshot Bokeh Tripod Flash",
        "lens shutter tripod film exposure portrait filter sensor print negative strap contact",
        "grainy sharp overexposed candid vintage wide backlit blurry",
        "shot developed scanned cropped printed framed",
    ),
    _theme(
        "History",
        "Medieval Archive Castle Viking Roman Cartography Longship Museum Manuscript Dynasty Antique Siege",
        "castle treaty emperor coin manuscript siege empire map sword tomb ledger dynasty",
        "medieval ancient forgotten royal coastal disputed bronze lost",
        "excavated translated conquered dated besieged archived",
    ),
)

#: A second, third … community of one theme: its stems come with this word in front.
BRANCHES: tuple[str, ...] = ("", "Nordic", "Retro", "Micro", "Alpine", "Urban", "Novice", "Homemade")

SUFFIXES: tuple[str, ...] = (
    "Lab", "Talk", "Club", "", "Help", "Pics", "Memes", "Hub", "Corner", "Daily", "Builds", "Advice",
    "Swap", "News", "Nerds", "Guild", "Circle", "Finds", "Journal", "101", "_irl", "Fans", "Sales", "HQ",
)  # fmt: skip

HUBS: tuple[str, ...] = (
    "AskEveryone", "TodayIFound", "FunnyThings", "WorldHeadlines", "AwwMoments", "ShowerIdeas",
    "VideosDaily", "NoStupidAnswers", "MildlyNeat", "ExplainSimply", "OutOfTheBlue", "LifeTricks",
)  # fmt: skip

#: ``{t}`` a thing, ``{q}`` a quality, ``{a}`` an act, ``{s}`` another subreddit of the community.
SENTENCES: tuple[str, ...] = (
    "I {a} my first {t} today and it went {q}.",
    "Has anyone here {a} a {q} {t} before?",
    "The {t} is fine, it is the {t} that worries me.",
    "Honestly the {q} {t} beats every {q} one I {a}.",
    "You should ask in r/{s}, they know about the {t}.",
    "Same here. Mine got {q} after a week.",
    "Try a {q} {t} first, then look at the {t} again.",
    "That {t} looks great!",
    "I {a} it twice and the {t} still feels {q}.",
    "Where did you get the {t}?",
    "Not sure I agree, a {q} {t} is all you need.",
    "Thanks, this helped with my {t}.",
    "We {a} ours last year, see r/{s} for the photos.",
    "Never {a} a {t} without checking the {t}.",
)

TITLES: tuple[str, ...] = (
    "My {q} {t} after a month",
    "Finally {a} the {t}",
    "Question about a {q} {t}",
    "What is your favourite {t}?",
    "{q} {t} or {q} {t}?",
    "I {a} this {t} for a friend",
    "Weekly thread: {t} and {t}",
    "Is this {t} too {q}? (cross-posted to r/{s})",
)

#: What the bots that are called so say, in the order of the bots.
BOT_LINES: tuple[str, ...] = (
    "Thank you for your comment. Please remember the rules of this subreddit. I am a bot.",
    "26 miles are 42 kilometres. I am a bot, and this was done by me alone.",
)

EVERYDAY = _theme(
    "Everyday",
    "Every",
    "day question neighbour story idea picture weekend train friend sandwich office weather",
    "odd funny quiet strange good awkward simple new",
    "saw heard tried found shared lost",
)

GIVEN: tuple[str, ...] = _words(
    "Quiet Amber Rapid Hollow Velvet Rusty Lunar Mossy Polar Tidy Salty Brisk Copper Dusty Eager Fuzzy "
    "Gentle Hidden Ivory Jolly Keen Lucky Misty Noble Olive Proud Quick Royal Silent Timid Urban Witty"
)

FAMILY: tuple[str, ...] = _words(
    "Walrus Kettle Falcon Harbor Pickle Otter Lantern Cactus Badger Comet Drifter Ember Fjord Gadget Heron "
    "Iguana Jigsaw Kestrel Lemon Magpie Nectar Onion Pebble Quartz Raven Sparrow Thistle Umbra Vortex "
    "Willow Yonder Zephyr"
)
