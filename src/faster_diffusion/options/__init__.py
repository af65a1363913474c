"""What a user chooses: frozen dataclasses that check themselves."""
