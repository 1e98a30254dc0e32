"""How good a restored picture is: masks, sharpness, LPIPS and the score made of them."""
