"""Text made by a small grammar, the same for the same seed: what pre-training can learn, and a task that shares its words.

A document is about one topic and one protagonist. Topics have nouns, verbs, adjectives and places of their own, so a
sentence tells which words its neighbours have. Subjects agree with verbs in number, and a pronoun refers to the
protagonist, in the gender and number of its noun. Words are made up: only the text says what they mean.
"""

import random

TOPICS = ("harbour", "kitchen", "forest", "theatre", "garden", "workshop", "market", "observatory")
# The gender of a protagonist, in the singular; the plural is "they".
PRONOUNS = ("he", "she", "it")
FUNCTION_WORDS = (
    "the a this that these some with near under behind in at on and but then later today soon was were "
    "very quite not only again he she it they , .").split()
SPECIAL_WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

ONSETS = ("b", "br", "d", "dr", "f", "g", "gl", "k", "kl", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "tr", "v", "z")
VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")
CODAS = ("b", "d", "g", "k", "l", "m", "n", "p", "r", "t")


class Noun:
    """In the singular, in the plural, and the pronoun that stands for each."""

    def __init__(self, stem, gender):
        self.forms = (stem, stem + "en")
        self.pronouns = (PRONOUNS[gender], "they")


class Topic:
    def __init__(self, word):
        self.agents = [Noun(word(), index % 3) for index in range(8)]
        self.things = [Noun(word(), 2) for _ in range(8)]
        # As it goes with one, and with several.
        self.verbs = [(stem + "is", stem) for stem in (word() for _ in range(6))]
        self.adjectives = [word() for _ in range(6)]
        self.places = [word() for _ in range(4)]

    def words(self):
        """Of one lexeme a list: its forms."""
        nouns = [list(noun.forms) for noun in self.agents + self.things]
        return nouns + [list(verb) for verb in self.verbs] + [[word] for word in self.adjectives + self.places]


class Language:
    """Its topics' words are a function of the seed."""

    def __init__(self, seed):
        chance = random.Random(f"words {seed}")
        taken = set(FUNCTION_WORDS)

        def word():
            while True:
                made = "".join(chance.choice(ONSETS) + chance.choice(VOWELS) for _ in range(2)) + chance.choice(CODAS)
                forms = {made, made + "en", made + "is"}
                if not forms & taken:
                    taken.update(forms)
                    return made

        self.topics = [Topic(word) for _ in TOPICS]

    def vocabulary(self):
        """The lines of vocab.txt."""
        content = [form for topic in self.topics for lexeme in topic.words() for form in lexeme]
        return [*SPECIAL_WORDS, *FUNCTION_WORDS, *content]


class Speaker:
    """Speaks of a topic, with the words that `allowed` takes."""

    def __init__(self, language, topic, chance, allowed=lambda lexeme: True):
        self.chance = chance
        topic = language.topics[topic]
        self.agents = [noun for noun in topic.agents if allowed(noun.forms[0])]
        self.things = [noun for noun in topic.things if allowed(noun.forms[0])]
        self.verbs = [verb for verb in topic.verbs if allowed(verb[0])]
        self.adjectives = [word for word in topic.adjectives if allowed(word)]
        self.places = [word for word in topic.places if allowed(word)]

    def pick(self, words):
        """The first words are the frequent ones."""
        return words[int(len(words) * self.chance.random() ** 1.5)]

    def object(self):
        number = self.chance.randrange(2)
        determiner = self.chance.choice(("some", "these") if number else ("a", "this"))
        adjective = [self.pick(self.adjectives)] if self.chance.random() < 0.4 else []
        return [determiner, *adjective, self.pick(self.things).forms[number]]

    def place(self):
        return [self.chance.choice(("in", "near", "behind", "at")), "the", self.pick(self.places)]

    def sentence(self, agent, number, named):
        """About `agent`, by its noun where it is `named`, else by its pronoun."""
        chance = self.chance
        if named:
            adjective = [self.pick(self.adjectives)] if chance.random() < 0.3 else []
            subject = ["the", *adjective, agent.forms[number]]
        else:
            subject = [agent.pronouns[number]]
        verb = self.pick(self.verbs)[number]
        form = chance.randrange(4)
        if form == 0:
            words = [*subject, verb, *self.object()]
        elif form == 1:
            words = [*self.place(), ",", *subject, verb, *self.object()]
        elif form == 2:
            state = ("was", "were")[number]
            words = [*subject, state, chance.choice(("very", "quite", "not")), self.pick(self.adjectives)]
            words += ["and", verb, *self.object()]
        else:
            words = [chance.choice(("then", "later", "today", "soon")), *subject, verb, *self.object(), *self.place()]
        return " ".join([*words, "."])

    def document(self):
        agent, number = self.pick(self.agents), self.chance.randrange(2)
        count = self.chance.randrange(6, 11)
        return [self.sentence(agent, number, line == 0 or self.chance.random() < 0.3) for line in range(count)]


def documents(language, count, seed):
    """Lists of sentences; their topics are chosen at random."""
    chance = random.Random(f"documents {seed}")
    return [Speaker(language, chance.randrange(len(TOPICS)), chance).document() for _ in range(count)]


def labelled(language, train, validation, seed):
    """(text, topic's name) of as many rows; the words of topics in one part never occur in the other."""
    chance = random.Random(f"labelled {seed}")
    parts = []
    for part, count in enumerate((train, validation)):
        rows = []
        for row in range(count):
            topic = row % len(TOPICS)
            order = {lexeme[0]: index for index, lexeme in enumerate(language.topics[topic].words())}
            speaker = Speaker(language, topic, chance, lambda word: order[word] % 2 == part)
            agent, number = speaker.pick(speaker.agents), chance.randrange(2)
            rows.append((speaker.sentence(agent, number, named=True), TOPICS[topic]))
        parts.append(rows)
    return parts
