//! Whatever is handed in: one line that says what was wrong and what to do, an exit code that is
//! not a panic's, and no file.

mod objectives;
mod outputs;
mod recipes;
mod requests;
mod tensors;
mod weights;
