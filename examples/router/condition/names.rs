//! Finds the fields of the event that an expression uses, and names that nothing has.

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, LiteralValue};

use crate::fields::Projection;

/// The names of CEL's own types, which an expression may use as values: `type(event.mag) == int`.
const TYPES: [&str; 9] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "uint",
];

/// Walks an expression and asks for each field it names.
pub(super) struct Names<'p> {
    /// What is asked for the fields.
    pub(super) projection: &'p mut Projection,
    /// Variables of the comprehensions around: the `x` of `event.list.exists(x, x > 1)`.
    pub(super) bound: Vec<String>,
    /// The nodes of the fields, once for each time that one is named: that makes a copy.
    pub(super) mentions: Vec<usize>,
    /// How many more copies of each field there may be at once, because of what the expression makes of them.
    pub(super) copies: usize,
    /// The constant regular expressions.
    pub(super) patterns: Vec<String>,
    /// The first name that nothing has.
    pub(super) unknown: Option<String>,
}

impl Names<'_> {
    /// Asks for the fields of an expression and all its parts.
    pub(super) fn visit(&mut self, expression: &IdedExpr) {
        if let Some(path) = event_path(expression) {
            let tested = matches!(&expression.expr, Expr::Select(select) if select.test);
            if tested {
                self.projection.want_presence(&path);
            } else {
                self.mentions.push(self.projection.want_value(&path));
            }
            return;
        }
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) => self.visit(&select.operand),
            Expr::Call(call) => {
                // Lists and texts that are added up are as large as both together.
                self.copies += usize::from(call.func_name == "_+_");
                if call.func_name == "matches"
                    && let Some(Expr::Literal(LiteralValue::String(pattern))) =
                        call.args.last().map(|arg| &arg.expr)
                {
                    self.patterns.push(pattern.inner().to_owned());
                }
                call.target.iter().for_each(|target| self.visit(target));
                call.args.iter().for_each(|arg| self.visit(arg));
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.visit(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(structure) => structure
                .entries
                .iter()
                .for_each(|entry| self.entry(&entry.expr)),
            Expr::Comprehension(comprehension) => {
                // The element at hand is a copy, and so is what `map` and `filter` collect.
                self.copies += 2;
                self.visit(&comprehension.iter_range);
                let before = self.bound.len();
                self.bound.push(comprehension.iter_var.clone());
                self.bound.extend(comprehension.iter_var2.clone());
                self.bound.push(comprehension.accu_var.clone());
                self.visit(&comprehension.accu_init);
                self.visit(&comprehension.loop_cond);
                self.visit(&comprehension.loop_step);
                self.visit(&comprehension.result);
                self.bound.truncate(before);
            }
        }
    }

    fn ident(&mut self, name: &str) {
        let known = self.bound.iter().any(|bound| bound == name)
            || TYPES.contains(&name)
            || name.starts_with('@');
        if !known {
            self.unknown.get_or_insert_with(|| name.to_owned());
        }
    }

    fn entry(&mut self, entry: &EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.visit(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key);
                self.visit(&entry.value);
            }
        }
    }
}

/// Whether an expression has the value of a function, all of which give numbers, texts, times and the like: not lists or objects.
pub(super) fn is_simple(expression: &IdedExpr) -> bool {
    let function = match &expression.expr {
        Expr::Call(call) => call.func_name.as_str(),
        _ => return false,
    };
    function.starts_with(|c: char| c.is_ascii_alphabetic()) && function != "dyn"
}

/// The path that an expression spells from the event: `event.a.b`, `event["a"].b` and `has(event.a.b)` are `a`, `b`.
fn event_path(expression: &IdedExpr) -> Option<Vec<String>> {
    match &expression.expr {
        Expr::Ident(name) => (name == "event").then(Vec::new),
        Expr::Select(select) => {
            let mut path = event_path(&select.operand)?;
            path.push(select.field.clone());
            Some(path)
        }
        Expr::Call(call) if call.func_name == "_[_]" => {
            let [object, key] = call.args.as_slice() else {
                return None;
            };
            let Expr::Literal(LiteralValue::String(key)) = &key.expr else {
                return None;
            };
            let mut path = event_path(object)?;
            path.push(key.inner().to_owned());
            Some(path)
        }
        _ => None,
    }
}
