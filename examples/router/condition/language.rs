//! Compiles expressions, and evaluates them on the event at hand.

use std::sync::Arc;

use cel::common::types::CelString;
use cel::{Context, Env, Program};
use serde_json::Value;

use super::EventView;
use super::names::{Names, is_simple};
use crate::fields::{Projection, Uses};

/// What is made of a value until it is JSON.
const RESULT: Uses = Uses { read: 1, copies: 1 };

/// Compiles expressions and holds what they share.
pub(crate) struct Language {
    env: Arc<Env>,
}

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Expression {
    program: Program,
}

/// Evaluates expressions on one line after the other.
pub(crate) struct Evaluator<'a> {
    context: Context<'a, 'a>,
}

impl Language {
    /// CEL with its standard library.
    pub(crate) fn new() -> Self {
        Self {
            env: Arc::new(Env::stdlib()),
        }
    }

    /// Compiles a condition and asks `projection` for the fields it uses.
    ///
    /// # Errors
    ///
    /// Says what is wrong: the syntax, a name that nothing has, or a constant that is neither true nor false.
    pub(crate) fn condition(
        &self,
        source: &str,
        projection: &mut Projection,
    ) -> Result<Expression, String> {
        let condition = self.compile(source, projection, Uses::default())?;
        if condition.is_constant() {
            self.alone().holds(&condition).map_err(short)?;
        }
        Ok(condition)
    }

    /// Compiles an expression whose value is written, and asks `projection` for the fields it uses.
    ///
    /// # Errors
    ///
    /// Says what is wrong: the syntax, a name that nothing has, or a constant that has no value.
    pub(crate) fn formula(
        &self,
        source: &str,
        projection: &mut Projection,
    ) -> Result<Expression, String> {
        let formula = self.compile(source, projection, RESULT)?;
        if formula.is_constant() {
            self.alone().value(&formula).map_err(short)?;
        }
        Ok(formula)
    }

    fn compile(
        &self,
        source: &str,
        projection: &mut Projection,
        result: Uses,
    ) -> Result<Expression, String> {
        let program = self.env.compile(source).map_err(|errors| {
            let first = errors.errors.first();
            first.map_or_else(String::new, |e| {
                format!("column {}: {}", e.pos.1, shorten(&e.msg))
            })
        })?;
        let mut names = Names {
            projection,
            bound: Vec::new(),
            mentions: Vec::new(),
            copies: 0,
            patterns: Vec::new(),
            unknown: None,
        };
        names.visit(program.expression());
        if let Some(name) = names.unknown {
            return Err(format!(
                "nothing is called `{name}`; a field of the event is `event.{name}`"
            ));
        }
        for function in program.references().functions() {
            if function.starts_with(|c: char| c.is_ascii_alphabetic())
                && !self.has_function(function)
            {
                return Err(format!("there is no function `{function}`"));
            }
        }
        names
            .patterns
            .iter()
            .try_for_each(|pattern| self.check_pattern(pattern))?;
        let mut more = if is_simple(program.expression()) {
            Uses::default()
        } else {
            result
        };
        more.copies += names.copies;
        names.projection.mentioned(&names.mentions, more);
        Ok(Expression { program })
    }

    /// Evaluates what needs no event.
    fn alone(&self) -> Evaluator<'static> {
        let context = Context::with_env(Arc::clone(&self.env));
        Evaluator { context }
    }

    /// Evaluates expressions on what `projection` read into `fields`.
    pub(crate) fn evaluator<'a>(&self, event: &'a EventView<'a>) -> Evaluator<'a> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.set_variable_resolver(event);
        Evaluator { context }
    }

    /// Checks a constant regular expression, which would otherwise fail for each event anew.
    fn check_pattern(&self, pattern: &str) -> Result<(), String> {
        let Ok(probe) = self.env.compile("''.matches(pattern)") else {
            return Ok(());
        };
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.add_variable_as_val("pattern", Box::new(CelString::from(pattern)));
        let Err(e) = probe.execute(&context) else {
            return Ok(());
        };
        let why = short(e.to_string());
        Err(format!("\"{pattern}\" is not a regular expression: {why}"))
    }

    /// Whether the standard library has `function`: adding one of the same name is refused exactly then.
    fn has_function(&self, function: &str) -> bool {
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.add_function(function, || true).is_err()
    }
}

impl Expression {
    /// Whether it says the same of every event: what fails once would fail for each.
    fn is_constant(&self) -> bool {
        self.program.references().variables().is_empty()
    }
}

impl Evaluator<'_> {
    /// Whether the condition holds.
    ///
    /// # Errors
    ///
    /// When it cannot be evaluated, or is neither true nor false.
    pub(crate) fn holds(&self, condition: &Expression) -> Result<bool, String> {
        match condition.program.execute(&self.context) {
            Ok(cel::Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("gives {}, not true or false", other.type_of())),
            Err(e) => Err(e.to_string()),
        }
    }

    /// The value of an expression, as JSON.
    ///
    /// # Errors
    ///
    /// When it cannot be evaluated, or has no form in JSON.
    pub(crate) fn value(&self, expression: &Expression) -> Result<Value, String> {
        let value = expression
            .program
            .execute(&self.context)
            .map_err(|e| e.to_string())?;
        value.json().map_err(|e| e.to_string())
    }
}

/// What went wrong in an evaluation, without the lines before, which draw the expression with a mark below.
fn short(told: String) -> String {
    let last = told.lines().last().unwrap_or_default().trim();
    last.trim_start_matches("error: ").to_owned()
}

/// The part of a parser message that helps: the tokens it would have liked instead are many and of no use.
fn shorten(message: &str) -> &str {
    let message = message.trim_start_matches("Syntax error: ");
    message.split(" expecting ").next().unwrap_or(message)
}
