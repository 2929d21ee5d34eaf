//! What expanded code may name. Not part of the public interface.

#![allow(missing_docs, reason = "documented where it is defined")]

pub use crate::channel::branch::{Input, IntoEvent, event, input, no_input};
pub use crate::channel::permit::{Room, room};
pub use crate::channel::select::{
    Cons, Either, Event, Nil, Select, Selected, not_selected, send_ready, send_room, sent,
};
pub use crate::channel::{Closed, Message, Permit, Receiver, SendError, Sender};
pub use crate::join::{join_2, join_3, join_4, join_5, join_6, join_7};
pub use crate::process::call::{Call, call, call_later, port};
pub use crate::process::caller::{answers, answers_nobody};
pub use crate::process::cause::{Cause, ViaError, ViaInner, ViaText};
pub use crate::process::context::Cx;
pub use crate::process::exit::{Fault, IntoOutcome as ProcessOutput};
pub use crate::process::function::{
    Arguments, Body, Env, Give, Inbox, InboxHandle, Lend, Lent, Once, Process, SameType, Shared,
    arguments, inbox,
};
pub use crate::process::handle::{Handle, Handled, Handlers, No, StructProcess, Yes};
pub use crate::process::inbox::{FnHandle, ports};
pub use crate::process::later::{Reply, reply};
pub use crate::process::meta::{
    Answered, Asked, AsyncKind, AwaitingKind, BlockingKind, CpuKind, Direct, FnMeta, HandleKind,
    HandlerMeta, HookOutput, Kind, Never, NeverEver, NoType, Otherwise, ProcessKind, ResultLike,
    StructMeta, async_handler, never, outcome, returns, settle, stub,
};
pub use crate::process::parcel::{Parcel, parcel, received};
pub use crate::process::pool::{Keyed, keys};
pub use crate::process::port::{Probe, Trace, ViaNothing, ViaTrace, Visitor};
pub use crate::process::reply::{ReplySlot, slot};
pub use crate::process::spawn::{Pool, Spawn, SpawnOptions};
pub use crate::process::structure::spawn_struct;
pub use crate::process::stubs::{StubBody, Takes, stub_process};
pub use crate::scope::Scope;
pub use crate::sim::values::{
    LearnItem, ShowReply, ShowValue, Shown, ViaDebug, ViaItem, ViaNoItem, ViaSilence,
};
pub use crate::sim::{Faults, Sim, Simulation, Strategy, run_real_test, run_test};
pub use crate::system::{Builder, run_main};
pub use crate::task::Task;
pub use std::process::ExitCode;
