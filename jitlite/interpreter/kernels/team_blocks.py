"""Where the words of the blocks lie through which threads share the steps of a plan.

All are blocks of int64. A team's is divided into lines of LINE words, which keep words that different threads write off each other's cache
lines:

    OFFER       number of the offer << 32 | first part left << 16 | end of the parts left
    KERNEL, ARGUMENTS, PARTS    the step on offer; they change only while no part is left or running
    LEAVE       not 0: the workers return
    DONE        parts that workers have run, ever
    STATUS      a status other than OK that a worker's part returned
    ASLEEP      workers that sleep, or are about to
    BUSY        1 while a driver has the team
    YIELD, ACQUIRE, RELEASE    addresses of sched_yield(), acquire(lock, 1) and release(lock)
    CREW        the number of workers
    WORKERS     a line for each worker: [BED] 1 while it sleeps, [LOCK] the address of the lock it sleeps on, which is always held

A pool's holds the number of its teams, then their addresses, at most MOST_TEAMS.

The block of a plan's run holds

    FAILED      the argument block of the step that failed
    POOL        the address of the pool that lends a team for the run; 0: it needs none
    TEAM        the address of the team, or 0
    PATIENCE    offers to make before sleepers are woken
    WAITED      what that was when they were woken last
    HELPED      parts that workers have run since
    CUTS        how many ways there are to cut the plan's steps, of which `kernels/cuts.py` chooses; 0: one, that nobody questions
    CLOCK, CLOCK_ID, SECONDS    the address of clock_gettime(), its first argument and the two words of its answer
    KEPT        the way with which runs have taken least time
    TRIED       the way the next run takes
    TRIAL       the way that was tried last
    HOLD        runs between two trials, and milliseconds
    LEFT        runs left in the present bout
    SPENT, COUNTED, LEAST    nanoseconds of runs of the bout that count, how many there were, and the shortest
    ELAPSED     nanoseconds of all runs of the bout
    AVERAGE     nanoseconds of a run for each of at most MOST_CUTS ways
    WORK        the address of the word with the work that loops have left
    WORK_LIMIT  what that is when this run starts; 0: it goes on with what others have left
"""

LINE = 16
OFFER, KERNEL, ARGUMENTS, PARTS, LEAVE = range(5)
DONE, STATUS = LINE, LINE + 1
ASLEEP = 2 * LINE
BUSY = 3 * LINE
YIELD, ACQUIRE, RELEASE, CREW = range(4 * LINE, 4 * LINE + 4)
WORKERS = 5 * LINE
BED, LOCK = 0, 1

MOST_TEAMS = 255

MOST_CUTS = 3

FAILED, POOL, TEAM, PATIENCE, WAITED, HELPED, CUTS, CLOCK, CLOCK_ID, SECONDS = range(10)
KEPT, TRIED, TRIAL, HOLD, LEFT, SPENT, COUNTED, LEAST, ELAPSED, AVERAGE = range(SECONDS + 2, SECONDS + 12)
WORK, WORK_LIMIT = range(AVERAGE + MOST_CUTS, AVERAGE + MOST_CUTS + 2)
RUN_WORDS = WORK_LIMIT + 1

COUNTED_RUNS = 8
"""Runs at the end of a bout that count."""
TRIAL_RUNS = 2 * COUNTED_RUNS
"""Runs of a bout that tries another way."""
FIRST_HOLD, LONGEST_HOLD = 32, 512
"""Runs between trials, which last as many milliseconds at least."""

NO_TEAM = -1
"""The status of a run that has not started: all teams of its pool are busy."""
