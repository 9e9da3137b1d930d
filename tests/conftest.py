"""What holds for every test."""

import hypothesis

# How long an example takes says what machine it runs on, and nothing of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
