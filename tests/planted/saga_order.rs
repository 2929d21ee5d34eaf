//! The bug: a step of a saga is undone by a message that overtakes it, finds nothing to undo, and then the step comes.
//! Ordinary tests miss it: the hotel is as fast as the airline, or nobody is refused.
//! A compensation before what it compensates. Shows as a room without a flight.
use roundrock::prelude::*;
use std::collections::BTreeSet;

#[process]
struct Hotel {
    rooms: BTreeSet<u32>,
    cancelled: BTreeSet<u32>,
    remembers: bool,
}
#[handlers]
impl Hotel {
    fn book(&mut self, trip: u32) {
        if !(self.remembers && self.cancelled.contains(&trip)) {
            self.rooms.insert(trip);
        }
    }
    fn cancel(&mut self, trip: u32) {
        self.rooms.remove(&trip);
        self.cancelled.insert(trip);
    }
    fn rooms(&self) -> usize {
        self.rooms.len()
    }
}
#[process]
struct Airline {
    seats: u32,
}
#[handlers]
impl Airline {
    fn book(&mut self, _trip: u32) -> bool {
        if self.seats > 0 {
            self.seats -= 1;
            true
        } else {
            false
        }
    }
}

#[process]
async fn saga(scope: &Scope, hotel: HotelHandle, airline: AirlineHandle, trip: u32) -> Result<()> {
    let h = hotel.clone();
    scope.task("hotel", async move { h.book(trip).await });
    if !airline.book(trip).await? {
        hotel.cancel(trip).await?;
    }
    Ok(())
}
async fn run(scope: &Scope, remembers: bool) -> Result<()> {
    let hotel = scope.spawn(Hotel {
        rooms: BTreeSet::new(),
        cancelled: BTreeSet::new(),
        remembers,
    });
    let airline = scope.spawn(Airline { seats: 1 });
    let trips = scope.child("trips");
    for trip in 1..=2 {
        trips.spawn(saga(hotel.clone(), airline.clone(), trip));
    }
    trips.join().await?;
    assert_eq!(hotel.rooms().await?, 1, "a room without a flight");
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
