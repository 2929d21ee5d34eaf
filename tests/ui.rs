//! What the compiler says about mistakes, one `.rs` and `.stderr` pair each, and that every accepted
//! form compiles.
//!
//! `TRYBUILD=overwrite cargo test --test ui` writes the `.stderr` files anew; read the difference.

#[test]
fn mistakes_are_explained_and_accepted_forms_compile() {
    let cases = trybuild::TestCases::new();
    for area in [
        "process", "handlers", "channel", "select", "scope", "main", "test", "kernels",
    ] {
        cases.compile_fail(format!("ui/{area}/*.rs"));
    }
    cases.pass("ui/pass/*.rs");
}
