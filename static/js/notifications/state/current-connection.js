// The page's one connection, for every module.

/** Has no `connection` until the toasts bring one. */
class Page extends EventTarget {
  /** Take a connection from now on, and dispatch `connection`. */
  use(connection) {
    this.connection = connection;
    this.dispatchEvent(new Event("connection"));
  }
}

export const page = new Page();
