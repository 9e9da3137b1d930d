"""What holds for every test."""

import hypothesis

# How long an example takes says what machine it runs on, and nothing of the code. The examples are
# the same in every run, so that a test fails for what was changed; `just properties` draws others.
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, print_blob=True)
hypothesis.settings.load_profile("same")
