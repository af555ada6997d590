"""Orders through a stack whose parts are killed, paused and cut off at random: nothing is lost, nothing done twice."""
