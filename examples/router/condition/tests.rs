//! What expressions mean, and what is said about wrong ones.

use super::{EventView, Language};
use crate::fields::Projection;

const QUAKE: &[u8] = br#"{"type":"Feature","properties":{"mag":5,"net":"us","felt":null,"a-b":1,"big":18446744073709551615},
    "geometry":{"coordinates":[-118.6,34.4,26.49]},"empty":{},"x":3,"at":"2018-02-07T01:54:33Z"}"#;

fn evaluate(source: &str) -> Result<bool, String> {
    let language = Language::new();
    let mut projection = Projection::default();
    let condition = language.condition(source, &mut projection)?;
    let mut fields = projection.fields();
    projection.read(QUAKE, &mut fields).unwrap();
    let event = EventView {
        projection: &projection,
        fields: &fields,
    };
    language.evaluator(&event).holds(&condition)
}

#[test]
fn conditions_hold_as_the_language_says() {
    for (source, want) in [
        ("event.properties.mag >= 5", true),
        ("event.properties.mag >= 5.0", true),
        ("event.properties.mag == 5.0", true),
        ("event.properties.mag > 5.5", false),
        ("event.properties.net in ['ci', 'us']", true),
        ("event['properties'].net.startsWith('u')", true),
        ("event.properties['a-b'] == 1", true),
        ("event.properties.felt == null", true),
        ("event.properties.big > 9000000000u", true),
        ("has(event.properties.mag)", true),
        ("has(event.properties.nothing)", false),
        ("has(event.properties)", true),
        ("has(event.nothing) && event.nothing.deeper == 1", false),
        ("has(event.empty.field)", false),
        ("event.geometry.coordinates[2] > 20.0", true),
        ("event.geometry.coordinates.exists(c, c < -100.0)", true),
        ("size(event.properties) == 5", true),
        ("'x' in event && event.type == 'Feature'", true),
        ("type(event.properties.mag) == int", true),
        ("event.properties.net.matches('^u[a-z]$')", true),
        (
            "timestamp(event.at) > timestamp('2018-01-01T00:00:00Z')",
            true,
        ),
        (
            "timestamp(event.at) - timestamp('2018-02-07T00:00:00Z') < duration('1h')",
            false,
        ),
    ] {
        assert_eq!(evaluate(source), Ok(want), "{source}");
    }
}

#[test]
fn what_cannot_be_evaluated_is_an_error() {
    for (source, want) in [
        ("event.properties.nothing >= 5", "No such key: nothing"),
        ("event.properties.net >= 5", "'_>=_'"),
        ("event.properties.mag", "gives int, not true or false"),
        ("event.x.y == 1", "'_._'"),
        (
            "timestamp(event.type) > timestamp('2018-01-01T00:00:00Z')",
            "timestamp",
        ),
    ] {
        let why = evaluate(source).unwrap_err();
        assert!(why.contains(want), "{source}: {why}");
    }
}

#[test]
fn mistakes_are_found_when_a_rule_is_compiled() {
    for (source, want) in [
        ("event.mag >", "column 12: mismatched input '<EOF>'"),
        (
            "properties.mag > 1",
            "nothing is called `properties`; a field of the event is `event.properties`",
        ),
        (
            "event.name.beginsWith('x')",
            "there is no function `beginsWith`",
        ),
        (
            "event.list.exists(x, y > 1)",
            "nothing is called `y`; a field of the event is `event.y`",
        ),
    ] {
        assert_eq!(evaluate(source), Err(want.to_owned()), "{source}");
    }
}
