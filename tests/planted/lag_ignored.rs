//! The bug: a view adds up the changes that it hears of, and passes over the notice that it has missed some.
//! Ordinary tests miss it: a subscriber that has nothing else to do keeps up.
//! A lossy channel taken for a complete one. Shows as a sum that is too low.

use roundrock::prelude::*;

/// A change, and what the level is after it.
#[derive(Debug, Clone)]
struct Change {
    by: i64,
    level: i64,
}

#[process]
struct Sensor {
    changes: Vec<i64>,
}

#[handlers]
impl Sensor {
    fn change(&mut self) -> Option<i64> {
        self.changes.pop()
    }
}

#[process]
async fn tank(sensor: SensorHandle, changes: BroadcastSender<Change>) -> Result<()> {
    let mut level = 0;
    while let Some(by) = sensor.change().await? {
        level += by;
        changes.send(Change { by, level }).await?;
    }
    Ok(())
}

#[process]
async fn adds_up(changes: BroadcastReceiver<Change>) -> Result<i64> {
    let mut level = 0;
    while let Some(change) = changes.recv().await {
        match change {
            Ok(change) => level += change.by,
            Err(_lagged) => continue,
        }
    }
    Ok(level)
}

#[process]
async fn takes_the_level(changes: BroadcastReceiver<Change>) -> Result<i64> {
    let mut level = 0;
    while let Some(change) = changes.recv().await {
        match change {
            Ok(change) => level = change.level,
            Err(_lagged) => continue,
        }
    }
    Ok(level)
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let (changes, heard) = broadcast(2);
    let view = scope.spawn(adds_up(heard));
    let sensor = scope.spawn(Sensor {
        changes: vec![1, 4, -2, 5],
    });
    scope.spawn(tank(sensor, changes));
    assert_eq!(view.await?, 8);
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let (changes, heard) = broadcast(2);
    let view = scope.spawn(takes_the_level(heard));
    let sensor = scope.spawn(Sensor {
        changes: vec![1, 4, -2, 5],
    });
    scope.spawn(tank(sensor, changes));
    assert_eq!(view.await?, 8);
    Ok(())
}
