import COpenBLAS

/// Lets the calling thread run on any core, for work beside that of a rank bound to its own: on a core
/// that is idle if there is one. Where the system refuses, the thread stays where it is.
package func unbindThread() { _ = lockstep_unbind_thread() }
