"""What a serving replica is made of: the views it follows, the pointer it obeys, the models it asks, the answers it gives."""
