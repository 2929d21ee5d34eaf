//! What the compiler says about mistakes, one `.rs` and `.stderr` pair each, and that every accepted
//! form compiles.
//!
//! `TRYBUILD=overwrite cargo test --test ui` writes the `.stderr` files anew; read the difference.

/// One after the other, for `trybuild` checks all mistakes in one call of cargo, on all processors, only
/// where nothing beside them is to be built and run.
#[test]
fn mistakes_are_explained_and_accepted_forms_compile() {
    let mistakes = trybuild::TestCases::new();
    for area in [
        "process", "handlers", "channel", "select", "scope", "main", "test", "kernels",
    ] {
        mistakes.compile_fail(format!("{area}/*.rs"));
    }
    drop(mistakes);
    trybuild::TestCases::new().pass("pass/*.rs");
}
