//! What expansion needs to know: valid by construction, with the spans of the user's tokens kept.
//!
//! `check` makes these from syntax. Where the user made a mistake it still makes the nearest valid
//! model, so that the rest of the program sees the names it expects.

#![expect(
    clippy::large_enum_variant,
    reason = "a model lives for one expansion and is never in bulk"
)]

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Generics, Ident, Member, Type, Visibility};

use crate::parse::item::Function;

/// On which threads a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    #[default]
    Async,
    Blocking,
    Cpu,
}

/// The options of `#[process]`, with their defaults.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) mailbox: Option<u32>,
    pub(crate) name: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) budget: Option<u32>,
}

/// `#[process]` on a struct.
pub(crate) struct StateProcess {
    /// The struct itself.
    pub(crate) item: TokenStream,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    pub(crate) fields: Vec<Field>,
    pub(crate) options: Options,
}

/// A field of a struct process.
pub(crate) struct Field {
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) member: Member,
    pub(crate) span: Span,
}

/// `#[process]` on a function.
pub(crate) struct FunctionProcess {
    /// The user's function, our attributes removed.
    pub(crate) function: Function,
    pub(crate) options: Options,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) output: Output,
}

/// One parameter of a process function.
pub(crate) enum Argument {
    /// `rules: &Rules`: the process keeps it and lends it to the body.
    Lent { name: Ident, ty: Type },
    /// `#[inbox(8)] raw: &Receiver<T>`: like `Lent`, made by the constructor.
    Inbox {
        name: Ident,
        item: Type,
        capacity: u32,
    },
    /// `out: Sender<T>`: the body owns it.
    Owned { name: Ident, ty: Type },
    /// `scope: &Scope`, at its type.
    Scope(Span),
    /// `cx: &mut Cx`, at its type.
    Context(Span),
    /// A parameter with a mistake: the constructor takes its type, or what it refers to, where its `cfg`s hold.
    Broken {
        cfgs: Vec<Attribute>,
        name: Ident,
        ty: Type,
    },
}

impl Argument {
    /// Its name in what is generated, unless it comes from the runtime.
    pub(crate) fn name(&self) -> Option<&Ident> {
        match self {
            Self::Lent { name, .. }
            | Self::Inbox { name, .. }
            | Self::Owned { name, .. }
            | Self::Broken { name, .. } => Some(name),
            Self::Scope(_) | Self::Context(_) => None,
        }
    }
}

/// What a process function returns.
pub(crate) enum Output {
    /// Nothing is written.
    Unit,
    /// `!`
    Never,
    Type(Type),
}

/// `#[handlers]` on an `impl`.
pub(crate) struct Block {
    /// The user's `impl`, our attributes removed.
    pub(crate) item: TokenStream,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) generics: Generics,
    pub(crate) self_ty: Type,
    /// Where the user wrote `impl`.
    pub(crate) impl_span: Span,
    /// There is a mistake in the block itself: all methods are stubs.
    pub(crate) is_stub: bool,
    /// `path::CounterHandle<T>`
    pub(crate) handle: TokenStream,
    /// Name of the type, for the message enum.
    pub(crate) name: Ident,
    /// In the order of their numbers.
    pub(crate) handlers: Vec<Handler>,
    /// Several only where each is for another configuration.
    pub(crate) on_start: Vec<Hook>,
    pub(crate) on_stop: Vec<Hook>,
    /// Handle methods without a handler: they have a mistake.
    pub(crate) stubs: Vec<Stub>,
    /// There were more handlers than numbers.
    pub(crate) full: bool,
}

/// A method of the user's that the runtime calls.
pub(crate) struct Hook {
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) method: Ident,
    /// The span of `async`, if it is.
    pub(crate) asynchronous: Option<Span>,
    /// Where it says what it returns, if it does.
    pub(crate) output: Option<Span>,
    pub(crate) parameters: Vec<Parameter>,
}

/// A method that gets a number: called by message, by input or by time.
pub(crate) struct Handler {
    pub(crate) hook: Hook,
    /// Name of the message: the method's, unless `#[handler(name = …)]` says otherwise.
    pub(crate) name: Ident,
    pub(crate) role: Role,
}

/// What calls a numbered method.
pub(crate) enum Role {
    /// A message with a reply.
    Call {
        vis: Visibility,
        attrs: Vec<Attribute>,
        answer: Answer,
    },
    /// `#[recv(field)]`
    Input { field: Member, span: Span },
    /// `#[every("1s")]`
    Every { nanos: u64 },
}

/// One parameter of a handler, in the user's order.
pub(crate) enum Parameter {
    /// Part of the message. A `cfg` is a mistake, which its stub has too.
    Value {
        cfgs: Vec<Attribute>,
        name: Ident,
        ty: Type,
        key: bool,
    },
    /// `&mut Cx`
    Context,
    /// `&mut Cx<Self>`
    TypedContext,
    /// `Reply<T>`
    Reply,
}

/// How a call is answered.
pub(crate) enum Answer {
    /// With what the method returns; `()` if nothing is written.
    Value(Option<Type>),
    /// The method returns a `Result`, perhaps through an alias.
    Fallible(Type),
    /// The method returns something that is called `Result` and has no arguments: an alias, or a type of the user's own.
    Named(Type),
    /// Later, through `Reply<T, E>`.
    Later(Type, Option<Type>),
}

/// The signature of a handle method whose handler has a mistake.
pub(crate) struct Stub {
    pub(crate) vis: Visibility,
    pub(crate) name: Ident,
    pub(crate) generics: TokenStream,
    /// Each with its `cfg`s.
    pub(crate) parameters: Vec<(Vec<Attribute>, TokenStream)>,
    pub(crate) reply: TokenStream,
    pub(crate) error: TokenStream,
}

/// `#[roundrock::main]`.
pub(crate) struct Entry {
    pub(crate) function: Function,
    pub(crate) workers: Option<u32>,
    pub(crate) grace: Option<u64>,
}

/// `#[roundrock::test]`.
pub(crate) struct Test {
    pub(crate) function: Function,
    pub(crate) runs: Runs,
}

/// How a test runs.
pub(crate) enum Runs {
    /// On threads: their number, and the grace in nanoseconds.
    Real(Option<u32>, Option<u64>),
    /// In a simulation.
    Simulated(Simulated),
}

/// The options of a simulated test; `None` is the default of the runtime.
#[derive(Default)]
pub(crate) struct Simulated {
    pub(crate) seeds: Option<u32>,
    /// The variant of the runtime's `Strategy`.
    pub(crate) strategy: Option<&'static str>,
    /// The methods of the runtime's `Faults`, with their probabilities.
    pub(crate) faults: Vec<(&'static str, f64)>,
    pub(crate) max_steps: Option<u32>,
    pub(crate) allow_leaks: bool,
    pub(crate) deny_lost: bool,
    pub(crate) grace: Option<u64>,
    pub(crate) tape: Option<String>,
}

/// `select!`.
pub(crate) struct Select {
    pub(crate) biased: bool,
    pub(crate) branches: Vec<Branch>,
    pub(crate) default: Option<TokenStream>,
    pub(crate) otherwise: Option<TokenStream>,
}

/// One branch of `select!`.
pub(crate) struct Branch {
    pub(crate) pattern: Option<TokenStream>,
    pub(crate) wait: Wait,
    pub(crate) guard: Option<TokenStream>,
    pub(crate) body: TokenStream,
    /// The branch as the user wrote it, for reports.
    pub(crate) source: String,
}

/// What a branch waits for.
pub(crate) enum Wait {
    Event(TokenStream),
    /// `sender.send(value)`
    Send {
        sender: TokenStream,
        value: TokenStream,
    },
}
