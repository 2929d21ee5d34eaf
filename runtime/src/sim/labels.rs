//! Where channels and locks were made, in the lines of a run: in as few words as tell them apart.
//!
//! While a run is recorded each place is written in full, `[src/bank.rs:7:13]#2`. At its end, when all are known, what nobody needs
//! is taken away: the column, if nothing else was named on that line; the number, if nothing else that was made at that place was named.

use std::panic::Location;

use crate::sim::events::short;

/// The places that the lines of a run have named.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    file: String,
    line: u32,
    column: u32,
    /// How many channels or locks that were made here have been named.
    named: u32,
    living: Vec<Living>,
}

/// A channel that has endpoints, or a lock.
#[derive(Debug)]
struct Living {
    object: u64,
    number: u32,
    /// One of its sides has none any more, if it is a channel.
    half_closed: bool,
}

impl Place {
    fn in_full(&self) -> String {
        format!("[{}:{}:{}]", self.file, self.line, self.column)
    }
}

impl Labels {
    fn place(&mut self, site: &Location<'_>) -> &mut Place {
        let (file, line, column) = (short(site.file()), site.line(), site.column());
        let is_here =
            |place: &Place| (place.line, place.column) == (line, column) && place.file == file;
        let known = self.places.iter().position(is_here);
        let at = known.unwrap_or_else(|| {
            self.places.push(Place {
                file: file.to_owned(),
                line,
                column,
                named: 0,
                living: Vec::new(),
            });
            self.places.len() - 1
        });
        &mut self.places[at]
    }

    /// A place, in full.
    pub(super) fn of_site(&mut self, site: &Location<'_>) -> String {
        self.place(site).in_full()
    }

    /// A channel or a lock that was made at this place, in full: the first one that is named has the number 1.
    pub(super) fn of_object(&mut self, site: &Location<'_>, object: u64) -> String {
        let place = self.place(site);
        let known = place.living.iter().find(|living| living.object == object);
        let number = known.map(|living| living.number).unwrap_or_else(|| {
            place.named += 1;
            place.living.push(Living {
                object,
                number: place.named,
                half_closed: false,
            });
            place.named
        });
        format!("{}#{number}", place.in_full())
    }

    /// The last endpoint of one side of a channel is gone. After both sides another channel may lie in the same memory.
    pub(super) fn side_closes(&mut self, object: u64) {
        for place in &mut self.places {
            place.living.retain_mut(|living| {
                let gone = living.object == object
                    && std::mem::replace(&mut living.half_closed, living.object == object);
                !gone
            });
        }
    }

    /// How a lock was named before, in full.
    pub(super) fn known(&self, object: u64) -> Option<String> {
        self.places.iter().find_map(|place| {
            let mut living = place.living.iter();
            let living = living.find(|living| living.object == object)?;
            Some(format!("{}#{}", place.in_full(), living.number))
        })
    }

    /// A lock is gone: another one may lie in the same memory.
    pub(super) fn object_goes(&mut self, object: u64) {
        for place in &mut self.places {
            place.living.retain(|living| living.object != object);
        }
    }

    /// Takes away what nobody needs to tell the places apart.
    pub(super) fn shorten(&self, text: &mut String) {
        if !text.contains('[') {
            return;
        }
        for place in &self.places {
            let full = place.in_full();
            if !text.contains(&full) {
                continue;
            }
            let on_this_line =
                |other: &&Place| other.line == place.line && other.file == place.file;
            let short = match self.places.iter().filter(on_this_line).count() {
                1 => format!("[{}:{}]", place.file, place.line),
                _ => full.clone(),
            };
            if place.named == 1 {
                *text = text.replace(&format!("{full}#1"), &short);
            }
            *text = text.replace(&full, &short);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::Location;

    use super::Labels;

    #[track_caller]
    fn here() -> &'static Location<'static> {
        Location::caller()
    }

    fn shortened(labels: &Labels, full: &str) -> String {
        let mut text = full.to_owned();
        labels.shorten(&mut text);
        text
    }

    #[test]
    fn only_what_tells_places_apart_is_left() {
        let (one, other) = (here(), here());
        let alone = here();
        let mut labels = Labels::default();
        let full = [
            labels.of_object(one, 1),
            labels.of_site(other),
            labels.of_object(alone, 2),
        ];
        let line = one.line();
        assert_eq!(
            shortened(&labels, &full[0]),
            format!("[sim/labels.rs:{line}:{}]", one.column())
        );
        assert_eq!(
            shortened(&labels, &full[1]),
            format!("[sim/labels.rs:{line}:{}]", other.column())
        );
        assert_eq!(
            shortened(&labels, &format!("send {} <- 1", full[2])),
            format!("send [sim/labels.rs:{}] <- 1", alone.line())
        );
    }

    #[test]
    fn channels_of_one_place_are_numbered_and_memory_is_used_again() {
        let site = here();
        let mut labels = Labels::default();
        let first = labels.of_object(site, 7);
        assert_eq!(labels.of_object(site, 7), first);
        labels.side_closes(7);
        assert_eq!(labels.of_object(site, 7), first, "its other side lives");
        labels.side_closes(7);
        let second = labels.of_object(site, 7);
        assert_eq!(labels.known(7).as_ref(), Some(&second));
        labels.object_goes(7);
        assert_eq!(labels.known(7), None);
        let third = labels.of_object(site, 7);
        let line = site.line();
        assert_eq!(
            shortened(&labels, &format!("{first} {second} {third}")),
            [1, 2, 3]
                .map(|number| format!("[sim/labels.rs:{line}]#{number}"))
                .join(" ")
        );
    }
}
