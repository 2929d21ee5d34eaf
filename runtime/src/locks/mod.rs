//! Locks that processes wait for without blocking their thread; users find them in [`crate::sync`].
//!
//! Read [`gate`] first: it is the one queue under all of them, and knows who holds what.

mod gate;
mod mutex;
mod rwlock;
mod semaphore;

pub use gate::Holder;
pub(crate) use gate::{Gate, Gates};
pub use mutex::{Mutex, MutexGuard};
pub use rwlock::{ReadGuard, RwLock, WriteGuard};
pub use semaphore::{MAX_PERMITS, Permit, Semaphore};
