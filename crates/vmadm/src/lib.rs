//! Creates, lists, changes and deletes zones and virtual machines; the vmadm program.
