//! Examples of Roundrock, one idea each: see the files beside this one.
