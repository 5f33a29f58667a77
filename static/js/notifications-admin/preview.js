// The toast that a form describes, as it will look.

import { TemplateElement } from "../notifications/elements/template-element.js";
import { fill } from "../notifications/elements/toast-card.js";

export class ToastPreview extends TemplateElement {
  connectedCallback() {
    super.connectedCallback();
    const fields = this.closest("form")?.elements;
    if (fields?.title) {
      this.on(fields.title.form, "input", () => this.#show(fields));
      this.#show(fields);
    }
  }

  #show({ title, body, level, url }) {
    const said = { body: body.value.trim(), level: level.value, url: url.value.trim() };
    fill(this.parts.toast, { title: title.value.trim() || this.dataset.placeholder, ...said });
  }
}
