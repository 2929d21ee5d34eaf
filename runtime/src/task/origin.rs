//! Where processes come from: what all processes have in common that were spawned under one name at one place of the source.
//!
//! Interned: one [`Origin`] lives for each such pair, as long as the program, so that a process carries a pointer instead of the
//! parts, and observers may count by it. An origin is a fact about the program and holds no state of any system.
//!
//! A spawn finds its origin in a small table of its thread, by the addresses of its parts; only the first ones at a place ask the
//! table of the program, which goes by what the parts say: a compiler may make several copies of one constant.
//!
//! **Invariants**
//! - Equal parts give the same origin; its number is never used for another one.
//! - No user code runs under the lock.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::Location;
use std::ptr;
use std::sync::{LazyLock, PoisonError, RwLock};

use crate::observe::Evidence;
use crate::process::meta::{FnMeta, HandlerMeta, Kind};

/// What is known of all processes with one name from one place.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Its number, from 1.
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    /// Where they are spawned; `None` for nobody.
    pub(crate) site: Option<&'static Location<'static>>,
    pub(crate) facts: Facts,
}

/// What the macros say of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// The names of arguments or fields that may be ports.
    pub(crate) ports: &'static [&'static str],
    /// How it comes to them.
    pub(crate) evidence: Evidence,
    pub(crate) handlers: &'static [HandlerMeta],
    /// How many may live before an alarm; zero if there is no such number, and [`Facts::POOL`]'s, which nobody reaches, of what stands for
    /// a pool. That is no field of its own, because all of them are compared in every spawn.
    pub(crate) budget: u32,
    /// Its body runs on a thread of its own, and what it was lent goes there.
    pub(crate) beside: bool,
}

impl Facts {
    /// Of a function.
    pub(crate) fn of(meta: &'static FnMeta) -> Self {
        Self {
            ports: meta.ports,
            budget: meta.budget.unwrap_or(0),
            beside: meta.kind != Kind::Async,
            ..Self::NONE
        }
    }

    /// Of what no macro made.
    pub(crate) const NONE: Self = Self {
        ports: &[],
        evidence: Evidence::Lent,
        handlers: &[],
        budget: 0,
        beside: false,
    };

    /// Of what passes the messages of a pool on to its workers.
    pub(crate) fn of_router() -> Self {
        Self {
            ports: &ROUTER,
            ..Self::NONE
        }
    }

    /// Whether they are of what passes the messages of a pool on.
    pub(crate) fn is_router(&self) -> bool {
        ptr::eq(self.ports, &raw const ROUTER)
    }

    /// Of the process that stands for a pool, and is none of its workers.
    pub(crate) const POOL: Self = Self {
        budget: u32::MAX,
        ..Self::NONE
    };
}

/// The ports of what passes the messages of a pool on to its workers, by which it is known.
static ROUTER: [&str; 2] = ["mailbox", "worker"];

/// The origin of what is no process.
pub(crate) static NOBODY: Origin = Origin {
    number: 0,
    name: "",
    site: None,
    facts: Facts::NONE,
};

impl Origin {
    /// Whether it is of what stands for a pool.
    pub(crate) fn is_pool(&self) -> bool {
        self.facts.budget == Facts::POOL.budget
    }

    /// How many may live before an alarm.
    pub(crate) fn budget(&self) -> Option<u32> {
        let budget = self.facts.budget;
        (budget != 0 && !self.is_pool()).then_some(budget)
    }

    /// The name of a handler by its number in a wait word, which counts from 1.
    pub(crate) fn handler_name(&self, handler: u8) -> Option<&'static str> {
        let handlers = self.facts.handlers;
        let handler = handlers.get(usize::from(handler).checked_sub(1)?);
        handler.map(|handler| handler.name)
    }
}

/// What tells origins apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    file: &'static str,
    line: u32,
    column: u32,
    name: &'static str,
    ports: &'static [&'static str],
    handlers: Vec<u64>,
    budget: u32,
    beside: bool,
}

/// Facts about the program, not of a system. Never shrinks: each entry is a place in the source.
static ORIGINS: LazyLock<RwLock<HashMap<Key, &'static Origin>>> = LazyLock::new(RwLock::default);

/// Entries of a thread's own table; a power of two.
const SEEN: usize = 16;

/// An origin that was asked for, with the addresses of the parts.
#[derive(Debug, Clone, Copy)]
struct Recent {
    site: *const Location<'static>,
    name: *const str,
    ports: *const [&'static str],
    handlers: *const [HandlerMeta],
    budget: u32,
    beside: bool,
    origin: &'static Origin,
}

std::thread_local! {
    static RECENT: [Cell<Option<Recent>>; SEEN] = const { [const { Cell::new(None) }; SEEN] };
}

/// The origin with these parts.
#[inline]
pub(crate) fn intern(
    name: &'static str,
    site: &'static Location<'static>,
    facts: Facts,
) -> &'static Origin {
    // Locations are structures of three words; what a compiler places side by side goes to different entries.
    let place = (ptr::from_ref(site).addr() >> 3 ^ name.as_ptr().addr()) % SEEN;
    RECENT.with(|recent| {
        if let Some(known) = recent[place].get()
            && ptr::eq(known.site, site)
            && ptr::eq(known.name, name)
            && ptr::eq(known.ports, facts.ports)
            && ptr::eq(known.handlers, facts.handlers)
            && known.budget == facts.budget
            && known.beside == facts.beside
        {
            return known.origin;
        }
        let origin = find_or_make(name, site, facts);
        recent[place].set(Some(Recent {
            site,
            name,
            ports: facts.ports,
            handlers: facts.handlers,
            budget: facts.budget,
            beside: facts.beside,
            origin,
        }));
        origin
    })
}

#[cold]
fn find_or_make(
    name: &'static str,
    site: &'static Location<'static>,
    facts: Facts,
) -> &'static Origin {
    let key = Key {
        file: site.file(),
        line: site.line(),
        column: site.column(),
        name,
        ports: facts.ports,
        handlers: facts.handlers.iter().map(|handler| handler.wire).collect(),
        budget: facts.budget,
        beside: facts.beside,
    };
    let known = ORIGINS
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&key)
        .copied();
    known.unwrap_or_else(|| {
        let mut origins = ORIGINS.write().unwrap_or_else(PoisonError::into_inner);
        let number = u32::try_from(origins.len() + 1).unwrap_or(u32::MAX);
        origins.entry(key).or_insert_with(|| {
            Box::leak(Box::new(Origin {
                number,
                name,
                site: Some(site),
                facts,
            }))
        })
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::Location;

    use super::{Facts, Origin, intern};

    #[track_caller]
    fn here(name: &'static str, budget: u32) -> &'static Origin {
        let facts = Facts {
            budget,
            ..Facts::NONE
        };
        intern(name, Location::caller(), facts)
    }

    #[test]
    fn a_place_and_a_name_have_one_origin_on_every_thread() {
        let line = line!() + 1;
        let make = || here("worker", 0);
        let first = make();
        assert!(std::ptr::eq(first, make()));
        let elsewhere = std::thread::spawn(make).join().expect("no panic");
        assert!(std::ptr::eq(first, elsewhere));
        assert_eq!((first.name, first.facts.budget), ("worker", 0));
        assert_eq!(first.site.map(Location::line), Some(line));
    }

    #[test]
    fn what_differs_in_one_part_has_another_origin() {
        let names = ["a", "b"];
        let of = |name: usize, budget| here(names[name], budget);
        let numbers = [of(0, 0), of(1, 0), of(0, 7)].map(|origin| origin.number);
        let again = [of(0, 0), of(1, 0), of(0, 7)].map(|origin| origin.number);
        assert_eq!(numbers, again);
        assert!(numbers[0] != numbers[1] && numbers[0] != numbers[2] && numbers[1] != numbers[2]);
        let more: Vec<u32> = (0..64).map(|budget| of(0, budget).number).collect();
        assert_eq!(more[0], numbers[0]);
        assert_eq!(more[7], numbers[2]);
    }

    #[test]
    fn a_copy_of_a_name_is_the_same_name() {
        let copy: &'static str = String::from("copied").leak();
        let at = |name| here(name, 0);
        assert!(std::ptr::eq(at("copied"), at(copy)));
    }
}
