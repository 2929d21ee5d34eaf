//! What goes from a worker to a sink: the events of one batch that are for it, in the form it shall get.
//!
//! **Invariants.** An event ends once: when the last of its deliveries is settled it is out, or, if any was refused, dead with one
//! letter that names all refusals. An event with a single delivery needs no ticket for that, so most have none.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::Batch;

/// Events of one batch for one sink.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// Where the events came from.
    pub(crate) batch: Arc<Batch>,
    contents: Contents,
}

#[derive(Debug, Default)]
struct Contents {
    /// All forms, each with a line ending.
    text: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    /// Which line of the batch.
    index: usize,
    /// Where its form ends in the text, after the line ending.
    end: usize,
    ticket: Option<Arc<Ticket>>,
}

/// Shared by the deliveries of one event.
#[derive(Debug)]
pub(crate) struct Ticket {
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    deliveries: usize,
    refusals: Vec<String>,
}

/// How far an event is after one of its deliveries was settled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Other deliveries are under way.
    Open,
    /// All its sinks have it.
    Out,
    /// Not all its sinks took it: why.
    Dead(String),
}

impl Parcel {
    /// The forms, each with a line ending, in one piece.
    pub(crate) fn text(&self) -> &[u8] {
        &self.contents.text
    }

    /// How many events it holds.
    pub(crate) fn len(&self) -> usize {
        self.contents.items.len()
    }

    /// The form of event `at`, without line ending.
    pub(crate) fn form(&self, at: usize) -> &[u8] {
        let start = if at == 0 {
            0
        } else {
            self.contents.items[at - 1].end
        };
        &self.contents.text[start..self.contents.items[at].end - 1]
    }

    /// Where the form of event `at` ends in the text, after its line ending.
    pub(crate) fn end(&self, at: usize) -> usize {
        self.contents.items[at].end
    }

    /// Which line of the batch event `at` is.
    pub(crate) fn index(&self, at: usize) -> usize {
        self.contents.items[at].index
    }

    /// Settles the delivery of event `at`.
    pub(crate) fn settle(&self, at: usize, delivered: Result<(), String>) -> Fate {
        match &self.contents.items[at].ticket {
            Some(ticket) => ticket.settle(delivered),
            None => delivered.map_or_else(Fate::Dead, |()| Fate::Out),
        }
    }
}

impl Ticket {
    fn settle(&self, delivered: Result<(), String>) -> Fate {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.deliveries -= 1;
        open.refusals.extend(delivered.err());
        match (open.deliveries, open.refusals.is_empty()) {
            (0, true) => Fate::Out,
            (0, false) => Fate::Dead(open.refusals.join("; ")),
            _ => Fate::Open,
        }
    }
}

/// The parcels of one batch while a worker fills them, one for each sink.
#[derive(Debug)]
pub(crate) struct Outboxes {
    boxes: Vec<Contents>,
}

impl Outboxes {
    /// Empty outboxes for `sinks` sinks.
    pub(crate) fn new(sinks: usize) -> Self {
        let boxes = std::iter::repeat_with(Contents::default)
            .take(sinks)
            .collect();
        Self { boxes }
    }

    /// What the deliveries of one event share, if there are several.
    pub(crate) fn ticket(&self, deliveries: usize) -> Option<Arc<Ticket>> {
        let open = Mutex::new(Open {
            deliveries,
            refusals: Vec::new(),
        });
        (deliveries > 1).then(|| Arc::new(Ticket { open }))
    }

    /// Adds one event, line `index` of its batch, for `sink`.
    pub(crate) fn put(
        &mut self,
        sink: usize,
        index: usize,
        form: &[u8],
        ticket: Option<&Arc<Ticket>>,
    ) {
        let contents = &mut self.boxes[sink];
        contents.text.extend_from_slice(form);
        contents.text.push(b'\n');
        contents.items.push(Item {
            index,
            end: contents.text.len(),
            ticket: ticket.cloned(),
        });
    }

    /// Takes out the parcels, with the places of their sinks.
    pub(crate) fn seal(&mut self, batch: &Arc<Batch>) -> Vec<(usize, Parcel)> {
        let filled = self.boxes.iter_mut().enumerate();
        let filled = filled.filter(|(_, contents)| !contents.items.is_empty());
        let sealed = filled.map(|(sink, contents)| {
            let parcel = Parcel {
                batch: Arc::clone(batch),
                contents: std::mem::take(contents),
            };
            (sink, parcel)
        });
        sealed.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Fate, Outboxes};
    use crate::event::{Batch, Lines};

    #[test]
    fn an_event_ends_with_its_last_delivery() {
        let lines = Lines::new(1, b"a\nb\n".to_vec(), vec![2, 4]);
        let batch = Arc::new(Batch::new("test".into(), lines, None));
        let mut boxes = Outboxes::new(3);
        boxes.put(2, 0, b"A", None);
        let ticket = boxes.ticket(3);
        boxes.put(0, 1, b"B0", ticket.as_ref());
        boxes.put(2, 1, b"B1", ticket.as_ref());
        boxes.put(2, 1, b"B2", ticket.as_ref());
        let parcels = boxes.seal(&batch);
        let [(0, first), (2, second)] = parcels.as_slice() else {
            panic!("{parcels:?}")
        };
        assert_eq!(second.text(), b"A\nB1\nB2\n");
        assert_eq!(
            (second.form(0), second.form(2), second.index(2)),
            (&b"A"[..], &b"B2"[..], 1)
        );
        assert_eq!(second.settle(0, Ok(())), Fate::Out);
        assert_eq!(second.settle(1, Ok(())), Fate::Open);
        assert_eq!(first.settle(0, Err("no".to_owned())), Fate::Open);
        assert_eq!(second.settle(2, Ok(())), Fate::Dead("no".to_owned()));
        assert!(boxes.seal(&batch).is_empty(), "nothing is sent twice");
    }
}
