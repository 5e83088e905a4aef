"""Damages models and sees to it that each ends in a run or a JitliteError; see docs/safety.md."""
