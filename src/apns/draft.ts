/** A notification on its way: one template for all its receivers, made again only where the app's topic has changed. */
import type { CheckedNotification } from '../notification/check.js';
import { type Template, template } from './request.js';

export class Draft {
  readonly #notification: CheckedNotification;
  #made: { topic: string; template: Template } | undefined;

  constructor(notification: CheckedNotification) {
    this.#notification = notification;
  }

  /** @param topic the app's, at the moment at which a request is made */
  for(topic: string): Template {
    if (this.#made?.topic !== topic) {
      this.#made = { topic, template: template(this.#notification, topic) };
    }
    return this.#made.template;
  }
}
