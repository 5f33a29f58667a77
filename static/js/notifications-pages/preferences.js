// The preferences page works without scripts; this one knows the reader's time zone.

import { showLocally } from "./times.js";

showLocally(document.getElementById("notification-preferences"));
