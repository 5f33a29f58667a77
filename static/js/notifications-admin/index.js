// The scripts of the admin's notification pages.

import { BroadcastFigures } from "./figures.js";
import { ToastPreview } from "./preview.js";

customElements.define("broadcast-figures", BroadcastFigures);
customElements.define("toast-preview", ToastPreview);
