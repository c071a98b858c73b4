//! What the end-to-end tests share: building a simulated global zone, running the programs in it, comparing.
