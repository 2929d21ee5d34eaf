//! Where processes come from: what all processes have in common that were spawned under one name at one place of the source.
//!
//! Interned: one [`Origin`] lives for each such pair, as long as the program, so that a process carries a pointer instead of the
//! parts, and observers may count by it. An origin is a fact about the program and holds no state of any system.
//!
//! A spawn finds its origin in a small table of its thread, with one comparison; only the first ones at a place ask the table
//! of the program.
//!
//! **Invariants**
//! - Equal parts give the same origin; its number is never used for another one.
//! - No user code runs under the lock.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::Location;
use std::ptr;
use std::sync::{LazyLock, PoisonError, RwLock};

/// What is known of all processes with one name from one place.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Its number, from 1.
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    /// Where they are spawned; `None` for nobody.
    pub(crate) site: Option<&'static Location<'static>>,
    /// The names of arguments or fields that may be ports.
    pub(crate) ports: &'static [&'static str],
    /// How many may live before an alarm; zero if there is no such number.
    pub(crate) budget: u32,
}

/// The origin of what is no process.
pub(crate) static NOBODY: Origin = Origin {
    number: 0,
    name: "",
    site: None,
    ports: &[],
    budget: 0,
};

/// What tells origins apart: the addresses of their parts, which are all constants of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    site: usize,
    name: usize,
    length: usize,
    ports: usize,
    budget: u32,
}

/// Facts about the program, not of a system. Never shrinks: each entry is a place in the source.
static ORIGINS: LazyLock<RwLock<HashMap<Key, &'static Origin>>> = LazyLock::new(RwLock::default);

/// Entries of a thread's own table; a power of two.
const SEEN: usize = 16;

std::thread_local! {
    static RECENT: [Cell<&'static Origin>; SEEN] = const { [const { Cell::new(&NOBODY) }; SEEN] };
}

/// The origin with these parts.
#[inline]
pub(crate) fn intern(
    name: &'static str,
    site: &'static Location<'static>,
    ports: &'static [&'static str],
    budget: u32,
) -> &'static Origin {
    // Locations are structures of three words; what a compiler places side by side goes to different entries.
    let place = (ptr::from_ref(site).addr() >> 3 ^ name.as_ptr().addr()) % SEEN;
    RECENT.with(|recent| {
        let known = recent[place].get();
        if known.site.is_some_and(|known| ptr::eq(known, site))
            && ptr::eq(known.name, name)
            && ptr::eq(known.ports, ports)
            && known.budget == budget
        {
            return known;
        }
        let origin = find_or_make(name, site, ports, budget);
        recent[place].set(origin);
        origin
    })
}

#[cold]
fn find_or_make(
    name: &'static str,
    site: &'static Location<'static>,
    ports: &'static [&'static str],
    budget: u32,
) -> &'static Origin {
    let key = Key {
        site: ptr::from_ref(site).addr(),
        name: name.as_ptr().addr(),
        length: name.len(),
        ports: ports.as_ptr().addr(),
        budget,
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
                ports,
                budget,
            }))
        })
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::Location;

    use super::intern;

    #[track_caller]
    fn here(name: &'static str, budget: u32) -> &'static super::Origin {
        intern(name, Location::caller(), &[], budget)
    }

    #[test]
    fn a_place_and_a_name_have_one_origin_on_every_thread() {
        let line = line!() + 1;
        let make = || here("worker", 0);
        let first = make();
        assert!(std::ptr::eq(first, make()));
        let elsewhere = std::thread::spawn(make).join().expect("no panic");
        assert!(std::ptr::eq(first, elsewhere));
        assert_eq!((first.name, first.budget), ("worker", 0));
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
}
