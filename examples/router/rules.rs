//! The rules: which sinks an event goes to, and in which form.
//!
//! All conditions are asked for each event; it goes to the sinks of every rule that holds, or to the default's if none does.
//! An event that a rule cannot be evaluated on goes nowhere: it becomes one dead letter that names the rule.

use crate::condition::{EventView, Expression, Language};
use crate::fields::{Fields, Projection};
use crate::parcel::Outboxes;
use crate::transform::Transform;

/// All rules of a configuration, compiled.
pub(crate) struct Rules {
    language: Language,
    projection: Projection,
    rules: Vec<Rule>,
    default: Route,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// What dead letters call it.
    pub(crate) name: String,
    /// Which events it is for.
    pub(crate) when: Expression,
    /// Where they go.
    pub(crate) route: Route,
}

/// Where events go, and in which form.
#[derive(Debug, Default)]
pub(crate) struct Route {
    /// Places of the sinks in the configuration.
    pub(crate) sinks: Vec<usize>,
    /// What to make of the event; without, it passes byte for byte.
    pub(crate) transform: Option<Transform>,
}

/// Room for the forms of one event, used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    text: Vec<u8>,
    /// Which route, and where its form ends in `text`.
    ends: Vec<(usize, usize)>,
}

impl Rules {
    /// Rules whose expressions were compiled with `language` for `projection`.
    pub(crate) fn new(
        language: Language,
        projection: Projection,
        rules: Vec<Rule>,
        default: Route,
    ) -> Self {
        Self {
            language,
            projection,
            rules,
            default,
        }
    }

    /// Room for the fields of one line after the other.
    pub(crate) fn fields<'l>(&self) -> Fields<'l> {
        self.projection.fields()
    }

    /// How much memory it takes at most to route `line`, not counting its forms.
    pub(crate) fn weight(&self, line: &[u8]) -> usize {
        self.projection.weight(line)
    }

    /// Puts `line`, which is line `index` of its batch, into the outboxes of its sinks.
    ///
    /// # Errors
    ///
    /// Why it is a dead letter instead; no outbox was touched then.
    pub(crate) fn route<'l>(
        &self,
        line: &'l [u8],
        index: usize,
        fields: &mut Fields<'l>,
        forms: &mut Forms,
        outboxes: &mut Outboxes,
    ) -> Result<(), String> {
        self.projection.read(line, fields)?;
        self.form(line, fields, forms)?;
        let deliveries = forms
            .ends
            .iter()
            .map(|(route, _)| self.route_at(*route).sinks.len())
            .sum();
        let mut start = 0;
        let ticket = outboxes.ticket(deliveries);
        for (route, end) in forms.ends.drain(..) {
            let route = self.route_at(route);
            let form = if route.transform.is_some() {
                &forms.text[start..end]
            } else {
                line
            };
            start = end;
            for &sink in &route.sinks {
                outboxes.put(sink, index, form, ticket.as_ref());
            }
        }
        Ok(())
    }

    /// Asks all conditions and writes the form that each matching rule gives the event.
    fn form(&self, line: &[u8], fields: &Fields<'_>, forms: &mut Forms) -> Result<(), String> {
        forms.text.clear();
        forms.ends.clear();
        let event = EventView {
            projection: &self.projection,
            fields,
        };
        let evaluator = self.language.evaluator(&event);
        for (i, rule) in self.rules.iter().enumerate() {
            if evaluator
                .holds(&rule.when)
                .map_err(|why| rule.blame(&why))?
            {
                forms.ends.push((i, 0));
            }
        }
        if forms.ends.is_empty() {
            forms.ends.push((self.rules.len(), 0));
        }
        for (route, end) in &mut forms.ends {
            if let Some(transform) = &self.route_at(*route).transform {
                let formed = transform.apply(line, fields, &evaluator, &mut forms.text);
                formed.map_err(|why| {
                    self.rules
                        .get(*route)
                        .map_or_else(|| format!("default: {why}"), |r| r.blame(&why))
                })?;
            }
            *end = forms.text.len();
        }
        Ok(())
    }

    /// The route of rule `at`, or the default's after the last.
    fn route_at(&self, at: usize) -> &Route {
        self.rules.get(at).map_or(&self.default, |rule| &rule.route)
    }
}

impl Rule {
    fn blame(&self, why: &str) -> String {
        format!("rule `{}`: {why}", self.name)
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules")
            .field("rules", &self.rules)
            .field("default", &self.default)
            .finish_non_exhaustive()
    }
}
