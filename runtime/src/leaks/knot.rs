//! Who holds up a stop: processes of a scope that wait for each other in a circle, so that none of them will ever go on.
//!
//! The search is that of a pass, over the processes of one scope. What the stop itself can still do for a process, to tell it that
//! its input is over, counts as the outside, so whoever waits for that too is never found here.

use super::facts::{Pins, Whom};
use super::pass;
use crate::observe::BOOKS;
use crate::system::SystemInner;
use crate::task::ProcessId;

/// Those inside of the scope with this number that wait for each other only. Who waits behind them is not among them: it goes on when
/// they are gone.
pub(crate) fn of(system: &SystemInner, scope: u64) -> Vec<ProcessId> {
    // Without books nobody says what it waits for.
    if !BOOKS {
        return Vec::new();
    }
    let scheduler = &*system.scheduler;
    let _turn = system.searches.lock();
    let pins = Pins::new(scheduler);
    let found = pass::search(&pins, scheduler, Whom::Stopping(scope), &mut || {});
    let components = found.graph.components(&found.stuck);
    let component_of = found.graph.component_of(&components);
    let knots = components.iter().filter(|component| {
        let way_out = found.graph.way_out(component, &found.stuck, &component_of);
        way_out.is_none()
    });
    knots
        .flatten()
        .map(|&process| found.facts.processes[process as usize].id)
        .collect()
}
