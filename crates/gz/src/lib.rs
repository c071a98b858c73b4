//! The global-zone seam: root directory, tool runner, one module a tool, locks, inventory, plan executor.
