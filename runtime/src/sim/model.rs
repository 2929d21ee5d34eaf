//! Reference models: plain state that does at once what the processes do in turns.

use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use crate::sim::expectation;

/// How many operations are shown with one that differs.
const REMEMBERED: usize = 10;

/// Plain state with which the answers of processes are compared. Made by [`Sim::model`](super::Sim::model).
///
/// A cheap handle: clones mean the same model, so that several processes can use it.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # #[process] struct Counter { n: i64 }
/// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } }
/// # roundrock::sim::Simulation::new("model").seeds(8).run(|sim: Sim| async move {
/// let model = sim.model(0_i64);
/// let counter = sim.spawn(Counter { n: 0 });
/// for by in [3, -1, 5] {
///     let sum = counter.add(by).await?;
///     model.expect("add", sum, |total| { *total += by; *total });
/// }
/// # roundrock::Ok(()) }).unwrap();
/// ```
pub struct Model<M> {
    shared: Arc<Mutex<Shared<M>>>,
}

struct Shared<M> {
    state: M,
    operations: VecDeque<String>,
}

impl<M: Send + 'static> Model<M> {
    pub(super) fn new(state: M) -> Self {
        let operations = VecDeque::new();
        Self {
            shared: Arc::new(Mutex::new(Shared { state, operations })),
        }
    }

    /// Does an operation on the model, and compares what it returns with what the processes answered. The run fails at the
    /// caller's line if the two differ, and shows the operations before.
    #[track_caller]
    pub fn expect<R: PartialEq + Debug>(
        &self,
        operation: &str,
        answered: R,
        of_model: impl FnOnce(&mut M) -> R,
    ) {
        let site = Location::caller();
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = of_model(&mut shared.state);
        if expected == answered {
            if shared.operations.len() == REMEMBERED {
                shared.operations.pop_front();
            }
            shared
                .operations
                .push_back(format!("{operation} -> {answered:?}"));
            return;
        }
        let mut text = format!("the model answers {expected:?}, and the processes {answered:?}");
        if !shared.operations.is_empty() {
            text.push_str("; the operations before:");
            for done in &shared.operations {
                text.push_str("\n    ");
                text.push_str(done);
            }
        }
        drop(shared);
        expectation(operation, site, text);
    }

    /// Looks at the state of the model, or changes it.
    pub fn with<R>(&self, f: impl FnOnce(&mut M) -> R) -> R {
        f(&mut self
            .shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .state)
    }
}

impl<M> Clone for Model<M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<M: Debug> fmt::Debug for Model<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Model")
            .field("state", &shared.state)
            .finish()
    }
}
