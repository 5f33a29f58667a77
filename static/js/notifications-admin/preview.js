// A preview of the toast that a form describes.

import { TemplateElement } from "../notifications/elements/template-element.js";
import { ToastCard } from "../notifications/elements/toast-card.js";

export class ToastPreview extends TemplateElement {
  connectedCallback() {
    super.connectedCallback();
    const fields = this.closest("form")?.elements;
    if (fields?.title) {
      const card = new ToastCard(this.parts.toast);
      this.on(fields.title.form, "input", () => this.#show(card, fields));
      this.#show(card, fields);
    }
  }

  #show(card, { title, body, level, url }) {
    const said = { body: body.value.trim(), level: level.value, url: url.value.trim() };
    card.show({ title: title.value.trim() || this.dataset.placeholder, ...said });
  }
}
