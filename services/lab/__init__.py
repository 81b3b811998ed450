"""The lab: one scheduler that runs all cores without processes, and drivers of real ones.

`sim` runs the whole box from one seed under lost, doubled and delayed messages and kills, and
checks the invariants after every step. `bench` measures the real chain beside its floors.
"""
