/** Type of what is dragged from the assets to the timeline: the media's id, or a prompt's text. */
export const MEDIA_DRAG_TYPE = "application/x-avatar-studio-media";
export const PROMPT_DRAG_TYPE = "application/x-avatar-studio-prompt";
