"""Our two themes; all colours of the panel come from these names or from a built-in theme."""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

DARK: Final = Theme(
    name="htr-dark",
    primary="#7aa2c9",
    secondary="#8fb58a",
    accent="#d9a45b",
    warning="#d9a45b",
    error="#e06c6c",
    success="#82b882",
    foreground="#d6d4cc",
    background="#16181c",
    surface="#1c1f24",
    panel="#262a31",
    dark=True,
    variables={
        "block-cursor-background": "#33445a",
        "block-cursor-foreground": "#f2efe6",
        "block-cursor-text-style": "bold",
        "input-selection-background": "#7aa2c9 35%",
        "text-muted": "#8f9399",
        "scrollbar": "#39414d",
        "scrollbar-hover": "#4a5463",
        "scrollbar-active": "#5d6a7d",
        "scrollbar-background": "#1a1d22",
        "scrollbar-background-hover": "#1a1d22",
        "scrollbar-background-active": "#1a1d22",
        "text-disabled": "#5f646b",
        "footer-key-foreground": "#d9a45b",
    },
)

LIGHT: Final = Theme(
    name="htr-light",
    primary="#2c5f8a",
    secondary="#4b7a45",
    accent="#9a5b00",
    warning="#9a5b00",
    error="#b3261e",
    success="#2f6f33",
    foreground="#24262a",
    background="#f7f5ef",
    surface="#efece3",
    panel="#e3dfd3",
    dark=False,
    variables={
        "block-cursor-background": "#bcd0e2",
        "block-cursor-foreground": "#101214",
        "block-cursor-text-style": "bold",
        "input-selection-background": "#2c5f8a 30%",
        "text-muted": "#6b6a63",
        "scrollbar": "#c5c0b1",
        "scrollbar-hover": "#b0aa98",
        "scrollbar-active": "#98917d",
        "scrollbar-background": "#efece3",
        "scrollbar-background-hover": "#efece3",
        "scrollbar-background-active": "#efece3",
        "text-disabled": "#a3a197",
        "footer-key-foreground": "#9a5b00",
    },
)
