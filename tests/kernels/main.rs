//! The leak and deadlock kernels of public studies, said anew in Roundrock's terms, and the controls that must not be accused.
//!
//! Each test says in its first line where its shape comes from. It ends in an error or at the end of an input (and leaves no
//! leak), or is proven, with the processes, lines and holders, or is suspected, with the reason. What cannot be written at all is
//! in `ui/kernels/`. LEAKS.md has the table.

mod adversary;
mod calls;
mod channel;
mod closing;
mod context;
mod control;
mod forced;
mod foreign;
mod global;
mod kept;
mod kit;
mod micro;
mod mixed;
mod negative;
mod oneshots;
mod order;
mod pods;
mod relock;
mod routed;
mod rust;
mod second;
mod shared;
mod suspected;
mod systems;
mod table;
mod uber;
