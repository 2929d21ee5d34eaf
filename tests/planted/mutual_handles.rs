//! The bug: a room has handles to its members, and each member one to its room; when the last user has gone, they keep each other.
//! Ordinary tests miss it: nothing is wrong but the memory.
//! A cycle of handles. Shows as a leak at the end.

use roundrock::prelude::*;

#[process]
struct Room {
    members: Vec<MemberHandle>,
}

#[handlers]
impl Room {
    fn enter(&mut self, member: MemberHandle) {
        self.members.push(member);
    }
    async fn say(&mut self, text: u32) -> Result<()> {
        for member in &self.members {
            member.hear(text).send().await.ok();
        }
        Ok(())
    }
    fn close(&mut self) {
        self.members.clear();
    }
}

#[process]
struct Member {
    room: RoomHandle,
    heard: u32,
}

#[handlers]
impl Member {
    fn hear(&mut self, text: u32) {
        self.heard += text;
    }
    fn heard(&self) -> u32 {
        self.heard
    }
    fn room(&self) -> RoomHandle {
        self.room.clone()
    }
}

async fn party(scope: &Scope) -> Result<RoomHandle> {
    let room = scope.spawn(Room {
        members: Vec::new(),
    });
    let member = scope.spawn(Member {
        room: room.clone(),
        heard: 0,
    });
    room.enter(member.clone()).await?;
    room.say(3).await?;
    assert_eq!(member.heard().await?, 3);
    member.room().await?;
    Ok(room)
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let room = party(scope).await?;
    room.say(4).await?;
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let room = party(scope).await?;
    room.close().await?;
    Ok(())
}
