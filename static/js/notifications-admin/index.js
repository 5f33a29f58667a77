// What moves on the admin's pages about notifications.

import { BroadcastFigures } from "./figures.js";
import { ToastPreview } from "./preview.js";

customElements.define("broadcast-figures", BroadcastFigures);
customElements.define("toast-preview", ToastPreview);
