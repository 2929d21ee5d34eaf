//! Scopes: who owns processes, when they are stopped, and what became of them.
//!
//! A scope does not end before its children. Its default meaning is errgroup's: the first failure stops the siblings and is
//! what the scope returns. `handle` is what users have, `tree` what is behind it, `life` whether it lives; `ended` waits for its end; `stop` says how a scope stops, with `look` and
//! `drain`; `group` runs a body with a scope of its own; `home` is where the processes of a scope end; `own` keeps the scope that a
//! process has for its children; `failure` is what it says of them; `names` what it knows by name, and
//! `directory` where that is kept.

mod directory;
mod drain;
mod ended;
pub(crate) mod failure;
pub(crate) mod group;
mod handle;
mod home;
mod life;
mod link;
pub(crate) mod look;
mod names;
mod own;
pub(crate) mod stop;
mod stopping;
mod tree;

pub(crate) use directory::{Local, Names};
pub use failure::ScopeError;
pub use handle::{MAX_POOL, Scope};
pub(crate) use home::{Incarnation, Whole, panicked_in_drop};
pub(crate) use life::Life;
pub use names::{NameTaken, WaitForName};
pub(crate) use own::Own;
pub use stop::{ExitReport, Late};
pub use stopping::Stopping;
pub(crate) use tree::ScopeInner;
