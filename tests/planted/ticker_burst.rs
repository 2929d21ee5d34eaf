//! The bug: a poller makes up for the ticks that it missed while its sensor was busy, one at once after another.
//! Ordinary tests miss it: their sensor is never busy for longer than a period.
//! Ticker that piles up. Shows as a sensor that is asked more often than it may be.

use roundrock::prelude::*;
use roundrock::time::{Duration, Instant, MissedTick};

/// May be asked twice within 5 ms, and not three times.
#[process]
struct Sensor {
    asked: [Option<Instant>; 2],
}

#[handlers]
impl Sensor {
    async fn calibrate(&mut self) {
        sleep(millis(32)).await;
    }
    fn sample(&mut self) {
        let now = roundrock::time::now();
        if let Some(before) = self.asked[0] {
            let time: Duration = now - before;
            assert!(time >= millis(5), "asked three times within {time:?}");
        }
        self.asked = [self.asked[1], Some(now)];
    }
}

#[process]
async fn poll(sensor: SensorHandle, missed: MissedTick) -> Result<()> {
    let mut ticks = interval(millis(10)).missed(missed);
    for _ in 0..6 {
        ticks.next().await;
        sensor.sample().await?;
    }
    Ok(())
}

async fn measure(scope: &Scope, missed: MissedTick) -> Result<()> {
    let sensor = scope.spawn(Sensor { asked: [None; 2] });
    let poller = scope.spawn(poll(sensor.clone(), missed));
    sleep(millis(20)).await;
    sensor.calibrate().await?;
    poller.await?;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    measure(scope, MissedTick::Burst).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    measure(scope, MissedTick::Skip).await
}
