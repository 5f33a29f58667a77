// The preferences page works without this; it adds the reader's time zone.

import { showLocally } from "./times.js";

showLocally(document.getElementById("notification-preferences"));
