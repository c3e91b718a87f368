//! The built controller against real agents, and against everything that only looks like one.

mod demo;
mod example;
mod failures;
mod homes;
mod real_path;
mod site;
mod verbs;
