"""From an experiment to the files of a listening study: chosen, processed, blinded, ordered, exported and checked.

From the bottom up, each importing only those above it in this list:

    kinds          the kinds of listening study, and the tasks of those that have some
    design         which listener has which trials, by numbers alone
    settings       what is requested of one study: the options of `harness stimuli`
    study          a blinded study: stimuli, trials, lists
    plan           how many listeners and items an effect takes: `harness stimuli plan`
    choose         clips of a run or folder: which items, which conditions, which excerpts
    make           blind ids, the private key, and the sound files
    package        the files for platforms, and reading a study's folder
    describe       protocol, README, preview, and a plot of the design
    build          the whole folder: `harness stimuli`
    check          whether a folder is what it should be: `harness stimuli check`
"""
