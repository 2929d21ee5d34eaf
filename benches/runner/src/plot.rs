//! The ratios as an SVG: a line for each workload, a dot for each rival, Roundrock at 1.

use std::fmt::Write as _;

use crate::statistics::Results;

const LEFT: f64 = 120.0;
const WIDTH: f64 = 760.0;
const LINE: f64 = 24.0;
const TOP: f64 = 76.0;
/// The ratios at the edges.
const LEAST: f64 = 0.125;
const MOST: f64 = 128.0;

/// Where a ratio is, on a scale on which each doubling is as wide as the others.
fn x(ratio: f64) -> f64 {
    let at = (ratio.clamp(LEAST, MOST) / LEAST).log2() / (MOST / LEAST).log2();
    LEFT + at * WIDTH
}

/// Draws the plot.
pub fn ratios(results: &Results) -> String {
    let rows: Vec<_> = results
        .workloads()
        .into_iter()
        .flat_map(|workload| workload.rows.iter().map(move |row| (workload, row)))
        .collect();
    let systems: Vec<_> = results
        .systems()
        .into_iter()
        .filter(|system| system.name != system.beside)
        .collect();
    let bottom = TOP + rows.len() as f64 * LINE;
    let (width, height) = (LEFT + WIDTH + 20.0, bottom + 40.0);
    // Writing to a string cannot fail.
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (at, system) in systems.iter().enumerate() {
        let (x, y) = (
            LEFT + (at % 7) as f64 * 110.0,
            20.0 + (at / 7) as f64 * 20.0,
        );
        let _ = writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"{}\" r=\"5\" fill=\"{}\"/><text x=\"{}\" y=\"{y}\">{}</text>",
            y - 4.0,
            system.colour,
            x + 9.0,
            system.name
        );
    }
    let mut ratio = LEAST;
    while ratio <= MOST {
        let x = x(ratio);
        let (colour, stroke) = if ratio == 1.0 {
            ("black", 2)
        } else {
            ("#ddd", 1)
        };
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"{colour}\" stroke-width=\"{stroke}\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{ratio}×</text>",
            bottom + 16.0
        );
        ratio *= 2.0;
    }
    for (at, (workload, row)) in rows.iter().enumerate() {
        let y = TOP + (at as f64 + 0.5) * LINE;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 10.0,
            y + 4.0,
            row.label
        );
        for system in &systems {
            if let Some(ratio) = results.ratio(system, workload, row) {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{y}\" r=\"5\" fill=\"{}\" fill-opacity=\"0.8\"><title>{}: {ratio:.2}×</title></circle>",
                    x(ratio),
                    system.colour,
                    system.name
                );
            }
        }
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\">How many times better Roundrock (the black line) is: a rival on the right is slower, or needs more.</text>\n</svg>",
        bottom + 34.0
    );
    svg
}
